package kubernetes

import (
	"net/netip"
	"regexp"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/kubeapi"
)

// Ways to reach the pods of Livy servers.
const (
	ReachPod         = "pod"          // at the pod's address
	ReachService     = "service"      // at the address of a Service that each server gets
	ReachPortForward = "port-forward" // at an address of this machine, through the API server
)

// Sources of what servers use.
const (
	UsageMetrics = "metrics" // the metrics API (metrics-server)
	UsageKubelet = "kubelet" // the statistics of kubelets, which need the right nodes/proxy
	UsageOff     = "off"
)

// Options are the options of a Runtime.
type Options struct {
	// Kubeconfig is the path of a kubeconfig; default: the service account of the pod that
	// this process runs in, or else KUBECONFIG or ~/.kube/config.
	Kubeconfig string
	// Context is a context of the kubeconfig; default: its current one.
	Context string
	// Namespace of the pods; default: that of this process's pod or of the context.
	Namespace string
	// Installation separates the pods of this installation from those of others in the same
	// namespace; default "default".
	Installation string
	// Reach is how servers are reached, ReachPod by default.
	Reach string
	// ServiceAccount of the pods; default: that of the namespace. Its token is in the pod only
	// if Spark needs it, which is for a master k8s://.
	ServiceAccount string
	// NodeSelector has the labels of the nodes that pods may run on.
	NodeSelector map[string]string
	// Tolerations in the form KEY[=VALUE][:EFFECT].
	Tolerations []string
	// PriorityClass and RuntimeClass of the pods.
	PriorityClass, RuntimeClass string
	// PullSecrets are the names of Secrets for pulling images; PullPolicy is Always,
	// IfNotPresent or Never.
	PullSecrets []string
	PullPolicy  string
	// CPURequest and MemoryRequest are what is set aside for a server; default: its limits.
	CPURequest, MemoryRequest string
	// Extended are resources of devices, such as nvidia.com/gpu, and how many each server gets.
	Extended map[string]string
	// Claims are the PersistentVolumeClaims that stand for directories, by the directory's name.
	Claims map[string]string
	// Allow lists who may connect to servers besides the pods of the same gateway: labels
	// KEY=VALUE of pods in any namespace, or networks such as 10.0.0.0/8. Default: pods of this
	// process's namespace with the label app.kubernetes.io/name=livygateway if it runs in the
	// cluster, and everybody otherwise.
	Allow []string
	// Usage is the source of what servers use, UsageMetrics by default.
	Usage string
	// PendingTimeout is how long a pod may wait for a node, an image or a volume; default 5
	// minutes.
	PendingTimeout time.Duration
	// LogDir is a directory for the last log of each gateway; default: it is kept in memory.
	LogDir string
	// Grace is how long a server may take to end before it is killed; default 10 s.
	Grace time.Duration
}

func (o *Options) access() kubeapi.Access {
	return kubeapi.Access{Kubeconfig: o.Kubeconfig, Context: o.Context, Namespace: o.Namespace}
}

var (
	nameRegexp  = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?$`)
	labelRegexp = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?$`)
)

// complete checks the options and fills in defaults.
func (o *Options) complete() error {
	def := func(s *string, value string) {
		if *s == "" {
			*s = value
		}
	}
	def(&o.Installation, "default")
	def(&o.Reach, ReachPod)
	def(&o.Usage, UsageMetrics)
	if o.PendingTimeout <= 0 {
		o.PendingTimeout = 5 * time.Minute
	}
	if o.Grace <= 0 {
		o.Grace = 10 * time.Second
	}
	for option, name := range map[string]string{
		"namespace": o.Namespace, "service_account": o.ServiceAccount, "priority_class": o.PriorityClass, "runtime_class": o.RuntimeClass,
	} {
		if name != "" && !nameRegexp.MatchString(name) {
			return gateway.Invalid(option, name, "must be a name in lower case letters, digits, '-' and '.'")
		}
	}
	if !labelRegexp.MatchString(o.Installation) {
		return gateway.Invalid("installation", o.Installation, "must be the value of a label: letters, digits, '-', '_' and '.'")
	}
	for _, c := range []struct {
		option, value string
		allowed       []string
	}{
		{"reach", o.Reach, []string{ReachPod, ReachService, ReachPortForward}},
		{"usage", o.Usage, []string{UsageMetrics, UsageKubelet, UsageOff}},
		{"image_pull_policy", o.PullPolicy, []string{"", string(corev1.PullAlways), string(corev1.PullIfNotPresent), string(corev1.PullNever)}},
	} {
		if !slices.Contains(c.allowed, c.value) {
			return gateway.Invalid(c.option, c.value, "must be one of "+strings.Trim(strings.Join(c.allowed, ", "), ", "))
		}
	}
	for option, quantity := range map[string]string{"cpu_request": o.CPURequest, "memory_request": o.MemoryRequest} {
		if err := checkQuantity(option, quantity); err != nil {
			return err
		}
	}
	for name, quantity := range o.Extended {
		if err := checkQuantity("resource "+name, quantity); err != nil {
			return err
		}
		if !strings.Contains(name, "/") {
			return gateway.Invalid("resource", name, "must be the name of a device's resource, e.g. nvidia.com/gpu")
		}
	}
	for _, t := range o.Tolerations {
		if _, err := toleration(t); err != nil {
			return err
		}
	}
	for _, a := range o.Allow {
		if _, err := netip.ParsePrefix(a); err != nil && !strings.Contains(a, "=") {
			return gateway.Invalid("allow", a, "must be a label KEY=VALUE of pods, or a network such as 10.0.0.0/8")
		}
	}
	return nil
}

func checkQuantity(option, text string) error {
	if text == "" {
		return nil
	}
	if q, err := resource.ParseQuantity(text); err != nil || q.Sign() <= 0 {
		return gateway.Invalid(option, text, "must be a quantity, e.g. 500m or 2Gi")
	}
	return nil
}

// toleration parses KEY[=VALUE][:EFFECT].
func toleration(text string) (corev1.Toleration, error) {
	rest, effect, _ := strings.Cut(text, ":")
	key, value, equal := strings.Cut(rest, "=")
	t := corev1.Toleration{Key: key, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffect(effect)}
	if equal {
		t.Operator, t.Value = corev1.TolerationOpEqual, value
	}
	effects := []corev1.TaintEffect{"", corev1.TaintEffectNoSchedule, corev1.TaintEffectPreferNoSchedule, corev1.TaintEffectNoExecute}
	if key == "" || !slices.Contains(effects, t.Effect) {
		return t, gateway.Invalid("tolerate", text, "must be KEY[=VALUE][:NoSchedule|PreferNoSchedule|NoExecute]")
	}
	return t, nil
}
