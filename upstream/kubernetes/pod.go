package kubernetes

import (
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/kubeapi"
	"github.com/livygateway/livygateway/upstream"
)

// Labels and annotations of the pods.
const (
	prefix            = "livygateway.github.io/"
	labelInstallation = prefix + "instance"
	labelGateway      = prefix + "gateway"
	labelNumber       = prefix + "number"
	labelEpoch        = prefix + "epoch"
	labelWorkspace    = prefix + "workspace"
	annotationName    = prefix + "name"
	annotationEngine  = prefix + "engine"
	annotationOwner   = prefix + "installation"
	annotationService = prefix + "service-address"
	gate              = prefix + "prepared"
)

// Properties of the image; see docker/Dockerfile.
const (
	container  = "livy"
	unpacker   = "unpack"
	confDir    = "/etc/livy"
	clusterDir = "/etc/livy-cluster"
	// Spark copies what is in the two others into the pods of jobs.
	kubeDir        = "/etc/livy-kube"
	kubeconfigFile = "config"
	workDir        = "/home/livy"
	logDir         = "/var/log/livy"
	userID         = 10001
	livyPort       = 8998
)

// podName returns the name of a server's pod; the dot of a second server's id is not for the
// names of Services.
func podName(serverID string) string { return "livygw-" + strings.ReplaceAll(serverID, ".", "-s") }

func serviceName(podName string) string { return podName }

// check checks what the API would accept and the server could not use.
func (r *Runtime) check(l *upstream.Launch) error {
	if l.Engine.Image == "" {
		return gateway.Invalid("engine "+l.Engine.Name+": image", "", "must name a container image")
	}
	if l.Warehouse.Path != "" && r.opts.Claims[l.Warehouse.Name] == "" {
		return gateway.Invalid("directory "+l.Warehouse.Name+": warehouse", l.Warehouse.Source,
			"needs a claim of runtime kubernetes: a pod may run on any node")
	}
	for _, d := range l.Directories {
		if d.Options != "" && r.opts.Claims[d.Name] == "" {
			return gateway.Invalid("directory "+d.Name+": options", d.Options,
				"need a PersistentVolume with these mount options, and a claim of runtime kubernetes: a pod cannot set them")
		}
	}
	return nil
}

func (r *Runtime) labels(l *upstream.Launch) map[string]string {
	labels := map[string]string{
		"app.kubernetes.io/name": "livy", "app.kubernetes.io/managed-by": "livygateway",
		labelInstallation: r.opts.Installation, labelGateway: l.GatewayID,
		labelNumber: strconv.Itoa(max(1, l.Number)), labelEpoch: strconv.FormatInt(l.Epoch, 10),
	}
	if labelRegexp.MatchString(l.Workspace) {
		labels[labelWorkspace] = l.Workspace
	}
	return labels
}

// pod returns the pod of a server, which the scheduler leaves alone until its gate is removed.
func (r *Runtime) pod(a *kubeapi.Client, l *upstream.Launch) *corev1.Pod {
	o := &r.opts
	name := podName(l.ServerID())
	volumes, mounts := r.volumes(a, l)
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Name: name, Labels: r.labels(l),
			Annotations: map[string]string{annotationName: l.Name, annotationEngine: l.Engine.Name, annotationOwner: l.Installation},
		},
		Spec: corev1.PodSpec{
			SchedulingGates: []corev1.PodSchedulingGate{{Name: gate}},
			// Restarts are handled by the gateway, because Livy's ids begin again.
			RestartPolicy:                 corev1.RestartPolicyNever,
			TerminationGracePeriodSeconds: new(int64(o.Grace.Seconds())),
			ServiceAccountName:            o.ServiceAccount,
			AutomountServiceAccountToken:  noToken,
			EnableServiceLinks:            new(false),
			NodeSelector:                  o.NodeSelector,
			PriorityClassName:             o.PriorityClass,
			SecurityContext: &corev1.PodSecurityContext{
				RunAsNonRoot: new(true), RunAsUser: new(int64(userID)), RunAsGroup: new(int64(userID)), FSGroup: new(int64(userID)),
				// Volumes with many files are not walked through at each start.
				FSGroupChangePolicy: new(corev1.FSGroupChangeOnRootMismatch),
				SeccompProfile:      &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
			},
			Volumes: volumes,
			Containers: []corev1.Container{{
				Name: container, Image: l.Engine.Image, ImagePullPolicy: corev1.PullPolicy(o.PullPolicy),
				WorkingDir: workDir, Env: environment(l, name), VolumeMounts: mounts,
				Ports:           []corev1.ContainerPort{{Name: "livy", ContainerPort: livyPort}},
				Resources:       r.resources(l),
				SecurityContext: confined(),
				// Readiness is for Services and for those who look at the pod. The gateway itself
				// ends a server that does not answer, and knows whether sessions would be lost.
				ReadinessProbe: &corev1.Probe{
					ProbeHandler:  corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Port: intstr.FromInt32(livyPort)}},
					PeriodSeconds: 5, FailureThreshold: 3,
				},
			}},
		},
	}
	if ownCluster(l) {
		pod.Spec.AutomountServiceAccountToken = new(true)
	}
	if o.RuntimeClass != "" {
		pod.Spec.RuntimeClassName = &o.RuntimeClass
	}
	for _, s := range o.PullSecrets {
		pod.Spec.ImagePullSecrets = append(pod.Spec.ImagePullSecrets, corev1.LocalObjectReference{Name: s})
	}
	for _, text := range o.Tolerations {
		if t, err := toleration(text); err == nil { // New has checked it
			pod.Spec.Tolerations = append(pod.Spec.Tolerations, t)
		}
	}
	if len(l.Archives) > 0 {
		pod.Spec.InitContainers = []corev1.Container{unpackContainer(l, o)}
	}
	return pod
}

// ownCluster reports whether jobs run in the cluster of the pod, with its service account.
func ownCluster(l *upstream.Launch) bool { return l.OnKubernetes() && l.Kubeconfig == "" }

func confined() *corev1.SecurityContext {
	return &corev1.SecurityContext{
		AllowPrivilegeEscalation: new(false), ReadOnlyRootFilesystem: new(true),
		Capabilities: &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
	}
}

func (r *Runtime) resources(l *upstream.Launch) corev1.ResourceRequirements {
	limits := corev1.ResourceList{
		corev1.ResourceCPU:    *resource.NewQuantity(int64(l.CPU), resource.DecimalSI),
		corev1.ResourceMemory: *resource.NewQuantity(l.Memory, resource.BinarySI),
	}
	for name, quantity := range r.opts.Extended {
		limits[corev1.ResourceName(name)] = resource.MustParse(quantity)
	}
	requests := maps.Clone(limits)
	for name, quantity := range map[corev1.ResourceName]string{corev1.ResourceCPU: r.opts.CPURequest, corev1.ResourceMemory: r.opts.MemoryRequest} {
		if quantity == "" {
			continue
		}
		if q := resource.MustParse(quantity); q.Cmp(limits[name]) < 0 {
			requests[name] = q
		}
	}
	return corev1.ResourceRequirements{Limits: limits, Requests: requests}
}

// environment returns the variables of a server. Those of the gateway may be passwords and come
// from the Secret.
func environment(l *upstream.Launch, secret string) []corev1.EnvVar {
	env := []corev1.EnvVar{
		{Name: "LIVY_CONF_DIR", Value: confDir}, {Name: "SPARK_CONF_DIR", Value: confDir}, {Name: "HOME", Value: workDir},
	}
	if !l.RunsLocally() {
		// Executors connect to the drivers in this pod, whose name means nothing elsewhere.
		env = append(env, corev1.EnvVar{Name: "SPARK_LOCAL_HOSTNAME", ValueFrom: &corev1.EnvVarSource{
			FieldRef: &corev1.ObjectFieldSelector{FieldPath: "status.podIP"},
		}})
	}
	if l.Kubeconfig != "" {
		env = append(env, corev1.EnvVar{Name: "KUBECONFIG", Value: path.Join(kubeDir, kubeconfigFile)})
	}
	if len(l.ClusterFiles) > 0 {
		env = append(env, corev1.EnvVar{Name: "HADOOP_CONF_DIR", Value: clusterDir})
	}
	for _, name := range slices.Sorted(maps.Keys(l.Env)) {
		env = slices.DeleteFunc(env, func(e corev1.EnvVar) bool { return e.Name == name })
		env = append(env, corev1.EnvVar{Name: name, ValueFrom: &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: secret}, Key: envPrefix + name,
		}}})
	}
	return env
}
