package kubernetes

import (
	"context"
	"errors"
	"maps"
	"net/netip"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/client-go/rest"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/kubeapi"
	"github.com/livygateway/livygateway/upstream"
)

// Prefixes of keys of a server's Secret.
const (
	envPrefix     = "env."
	clusterPrefix = "cluster."
	kubePrefix    = "kube."
)

// public are the files that hold no passwords and are in the ConfigMap.
var public = []string{upstream.SparkBlacklist, "livy-env.sh", "Metastore.java", "metastore.sh"}

func sorted(files map[string]string) []string { return slices.Sorted(maps.Keys(files)) }

func secretFiles(files map[string]string) map[string]string {
	out := maps.Clone(files)
	maps.DeleteFunc(out, func(name, _ string) bool { return slices.Contains(public, name) })
	return out
}

func publicFiles(files map[string]string) map[string]string {
	out := maps.Clone(files)
	maps.DeleteFunc(out, func(name, _ string) bool { return !slices.Contains(public, name) })
	return out
}

// files returns a server's configuration files. Jobs run in the namespace of the server's pod
// unless settings name another one.
func (r *Runtime) files(a *kubeapi.Client, l *upstream.Launch) map[string]string {
	files := upstream.WithAddress(l.Files, "0.0.0.0", livyPort)
	if withHome, err := upstream.WithHome(files, workDir); err == nil { // the files were rendered, and can be read
		files = withHome
	}
	if ownCluster(l) {
		files = upstream.WithNamespace(files, a.Namespace)
	}
	return upstream.WithMetastore(files, l.Warehouse.Path, "127.0.0.1", upstream.MetastorePort)
}

// owned is an object that belongs to a pod and is removed with it, by us or by the garbage
// collector.
type owned struct {
	client   rest.Interface
	resource string
	name     string
	object   runtime.Object
}

// replace creates an object. One of an earlier pod may not have been collected yet.
func (o owned) replace(ctx context.Context, a *kubeapi.Client) error {
	err := a.Create(ctx, o.client, o.resource, o.object.DeepCopyObject())
	if !apierrors.IsAlreadyExists(err) {
		return err
	}
	if err := a.Remove(ctx, o.client, a.Namespace, o.resource, o.name, &metav1.DeleteOptions{}); err != nil {
		return err
	}
	return a.Create(ctx, o.client, o.resource, o.object)
}

// objects returns what a pod needs besides itself.
func (r *Runtime) objects(a *kubeapi.Client, l *upstream.Launch, pod *corev1.Pod) ([]owned, error) {
	meta := metav1.ObjectMeta{
		Name: pod.Name, Labels: r.labels(l),
		OwnerReferences: []metav1.OwnerReference{{APIVersion: "v1", Kind: "Pod", Name: pod.Name, UID: pod.UID}},
	}
	files := r.files(a, l)
	secret := secretFiles(files)
	for name, text := range l.ClusterFiles {
		secret[clusterPrefix+name] = text
	}
	if l.Kubeconfig != "" {
		secret[kubePrefix+kubeconfigFile] = l.Kubeconfig
	}
	for name, value := range l.Env {
		secret[envPrefix+name] = value
	}
	list := []owned{
		{a.Core, "configmaps", pod.Name, &corev1.ConfigMap{ObjectMeta: meta, Data: publicFiles(files), Immutable: new(true)}},
		{a.Core, "secrets", pod.Name, &corev1.Secret{ObjectMeta: meta, StringData: secret, Immutable: new(true)}},
	}
	if r.opts.Reach == ReachService {
		list = append(list, owned{a.Core, "services", serviceName(pod.Name), &corev1.Service{ObjectMeta: meta, Spec: corev1.ServiceSpec{
			Selector: r.selector(l), PublishNotReadyAddresses: true,
			Ports: []corev1.ServicePort{{Name: "livy", Port: livyPort, TargetPort: intstr.FromInt32(livyPort)}},
		}}})
	}
	if policy := r.policy(a, l); policy != nil {
		policy.ObjectMeta = meta
		list = append(list, owned{a.Networking, "networkpolicies", pod.Name, policy})
	}
	return list, nil
}

// selector has the labels of one server.
func (r *Runtime) selector(l *upstream.Launch) map[string]string {
	labels := r.labels(l)
	return map[string]string{labelInstallation: labels[labelInstallation], labelGateway: labels[labelGateway], labelNumber: labels[labelNumber]}
}

// policy returns the network policy of a server: the instances of the gateway reach it and the
// Spark UIs of its drivers. Pods of its jobs on Kubernetes, in whatever namespace, reach the
// drivers, but not Livy, which requires no login: their label can be given to any pod. It is nil if
// everybody may connect.
func (r *Runtime) policy(a *kubeapi.Client, l *upstream.Launch) *networkingv1.NetworkPolicy {
	allow, from := r.opts.Allow, &metav1.LabelSelector{}
	if len(allow) == 0 {
		if !a.InCluster {
			return nil
		}
		// Not from all namespaces: jobs may create pods with any label in theirs.
		allow = []string{"app.kubernetes.io/name=livygateway"}
		if a.Own != "" {
			from.MatchLabels = map[string]string{corev1.LabelMetadataName: a.Own}
		}
	}
	var instances []networkingv1.NetworkPolicyPeer
	for _, text := range allow {
		if _, err := netip.ParsePrefix(text); err == nil {
			instances = append(instances, networkingv1.NetworkPolicyPeer{IPBlock: &networkingv1.IPBlock{CIDR: text}})
			continue
		}
		key, value, _ := strings.Cut(text, "=")
		instances = append(instances, networkingv1.NetworkPolicyPeer{
			NamespaceSelector: from, PodSelector: &metav1.LabelSelector{MatchLabels: map[string]string{key: value}},
		})
	}
	port := func(first, last int32) networkingv1.NetworkPolicyPort {
		p := networkingv1.NetworkPolicyPort{Protocol: new(corev1.ProtocolTCP), Port: new(intstr.FromInt32(first))}
		if last > first {
			p.EndPort = &last
		}
		return p
	}
	rules := []networkingv1.NetworkPolicyIngressRule{
		{From: instances, Ports: []networkingv1.NetworkPolicyPort{port(livyPort, 0), port(4040, 4140)}},
	}
	if l.OnKubernetes() {
		rules = append(rules, networkingv1.NetworkPolicyIngressRule{
			From: []networkingv1.NetworkPolicyPeer{{
				NamespaceSelector: &metav1.LabelSelector{},
				PodSelector:       &metav1.LabelSelector{MatchLabels: map[string]string{gateway.PodLabel("gateway"): l.GatewayID}},
			}},
			// Drivers and Livy's RPC listen on ports that the kernel or a setting chooses. Spark UIs,
			// Livy and a Thrift server, at 10090, require no login.
			Ports: []networkingv1.NetworkPolicyPort{port(1024, 4039), port(4141, livyPort-1), port(livyPort+1, 10089), port(10091, 65535)},
		})
	}
	return &networkingv1.NetworkPolicy{Spec: networkingv1.NetworkPolicySpec{
		PodSelector: metav1.LabelSelector{MatchLabels: r.selector(l)},
		PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress},
		Ingress:     rules,
	}}
}

// removeObjects removes what belongs to a pod that is gone, unless another pod has taken its
// place.
func (r *Runtime) removeObjects(ctx context.Context, a *kubeapi.Client, pod *corev1.Pod) error {
	kinds := []struct {
		client   rest.Interface
		resource string
		name     string
		wanted   bool
	}{
		{a.Core, "configmaps", pod.Name, true},
		{a.Core, "secrets", pod.Name, true},
		{a.Core, "services", serviceName(pod.Name), r.opts.Reach == ReachService},
		{a.Networking, "networkpolicies", pod.Name, len(r.opts.Allow) > 0 || a.InCluster},
	}
	var failed error
	for _, k := range kinds {
		if !k.wanted {
			continue
		}
		var found metav1.PartialObjectMetadata
		body, err := k.client.Get().Namespace(a.Namespace).Resource(k.resource).Name(k.name).Do(ctx).Raw()
		if apierrors.IsNotFound(err) {
			continue
		}
		if err == nil {
			found, err = metadata(body)
		}
		if err == nil && slices.ContainsFunc(found.OwnerReferences, func(o metav1.OwnerReference) bool { return o.UID == pod.UID }) {
			err = a.Remove(ctx, k.client, a.Namespace, k.resource, k.name, &metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &found.UID}})
		}
		if err != nil && !apierrors.IsConflict(err) {
			failed = errors.Join(failed, kubeapi.CallError("deleting "+k.resource+" "+k.name, err))
		}
	}
	return failed
}
