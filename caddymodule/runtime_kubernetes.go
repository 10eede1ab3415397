package caddymodule

import (
	"fmt"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"go.uber.org/zap"

	"github.com/livygateway/livygateway/caddymodule/internal/directive"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/upstream"
	"github.com/livygateway/livygateway/upstream/docker"
	"github.com/livygateway/livygateway/upstream/kubernetes"
)

func init() { caddy.RegisterModule(new(KubernetesRuntime)) }

// KubernetesRuntime runs the Livy server of each gateway in a pod of its own. CPU and memory of the
// gateway are the pod's limits. Pods run as a user without rights, with a read-only root file
// system and the seccomp profile of the container runtime.
type KubernetesRuntime struct {
	// The path of a kubeconfig. Default: the service account of the pod that Caddy runs in, or
	// else KUBECONFIG or `~/.kube/config`.
	Kubeconfig string `json:"kubeconfig,omitempty"`
	// A context of the kubeconfig. Default: its current one.
	Context string `json:"context,omitempty"`
	// The namespace of the pods. Default: that of Caddy's own pod, or of the context.
	Namespace string `json:"namespace,omitempty"`
	// Distinguishes the pods of this installation from those of others in the namespace. Default:
	// `default`.
	Installation string `json:"installation,omitempty"`
	// How Caddy connects to Livy servers: `pod` (the default), at the address of the pod,
	// `service`, at the address of a Service that each server gets, or `port-forward`, through the
	// API server, for trials with one Caddy outside of the cluster.
	Reach string `json:"reach,omitempty"`
	// The service account of the pods. Its token is in a pod only if the gateway's cluster is
	// `k8s://`. Default: that of the namespace.
	ServiceAccount string `json:"service_account,omitempty"`
	// The labels of nodes that pods may run on, in the form KEY=VALUE.
	NodeSelector []string `json:"node_selector,omitempty"`
	// Taints that pods tolerate, in the form KEY[=VALUE][:EFFECT].
	Tolerate []string `json:"tolerate,omitempty"`
	// The priority class of the pods.
	PriorityClass string `json:"priority_class,omitempty"`
	// The runtime class of the pods.
	RuntimeClass string `json:"runtime_class,omitempty"`
	// The names of Secrets with logins of image registries.
	ImagePullSecrets []string `json:"image_pull_secrets,omitempty"`
	// `Always`, `IfNotPresent` or `Never`. Default: that of Kubernetes.
	ImagePullPolicy string `json:"image_pull_policy,omitempty"`
	// The CPU that is set aside for each server, e.g. `500m`. Default: the gateway's CPU.
	CPURequest string `json:"cpu_request,omitempty"`
	// The memory that is set aside for each server, e.g. `2Gi`. Default: the gateway's memory.
	MemoryRequest string `json:"memory_request,omitempty"`
	// Devices that each server gets, in the form NAME=COUNT, e.g. `nvidia.com/gpu=1`.
	Devices []string `json:"devices,omitempty"`
	// Persistent volume claims that stand for directories, in the form DIRECTORY=CLAIM or
	// DIRECTORY=CLAIM/PATH.
	Claims []string `json:"claims,omitempty"`
	// Who may connect to Livy servers, besides pods of the same gateway: labels KEY=VALUE of pods
	// in any namespace, or networks such as `10.0.0.0/8`. Default: pods of Caddy's own namespace
	// with the label `app.kubernetes.io/name=livygateway` if Caddy runs in the cluster; everybody
	// otherwise.
	Allow []string `json:"allow,omitempty"`
	// The source of what servers use: `metrics` (the default) is the metrics API, `kubelet` the
	// statistics of nodes, which require access to `nodes/proxy`, and `off` none.
	Usage string `json:"usage,omitempty"`
	// How long a pod may wait for a node, an image or a volume. Default: `5m`.
	PendingTimeout string `json:"pending_timeout,omitempty"`
}

// CaddyModule returns the Caddy module information.
func (*KubernetesRuntime) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "livy.runtimes.kubernetes", New: func() caddy.Module { return new(KubernetesRuntime) }}
}

// Open returns the runtime. It does not connect to the cluster yet.
func (k *KubernetesRuntime) Open(log *zap.Logger) (upstream.Runtime, error) {
	o := kubernetes.Options{
		Kubeconfig: k.Kubeconfig, Context: k.Context, Namespace: k.Namespace, Installation: k.Installation, Reach: k.Reach,
		ServiceAccount: k.ServiceAccount, Tolerations: k.Tolerate, PriorityClass: k.PriorityClass, RuntimeClass: k.RuntimeClass,
		PullSecrets: k.ImagePullSecrets, PullPolicy: k.ImagePullPolicy, CPURequest: k.CPURequest, MemoryRequest: k.MemoryRequest,
		Allow: k.Allow, Usage: k.Usage,
	}
	var err error
	if k.PendingTimeout != "" {
		if o.PendingTimeout, err = caddy.ParseDuration(k.PendingTimeout); err != nil || o.PendingTimeout <= 0 {
			return nil, fmt.Errorf("pending_timeout must be a duration such as 5m, not %q", k.PendingTimeout)
		}
	}
	for _, list := range []struct {
		option string
		pairs  []string
		into   *map[string]string
	}{{"node_selector", k.NodeSelector, &o.NodeSelector}, {"devices", k.Devices, &o.Extended}, {"claims", k.Claims, &o.Claims}} {
		if *list.into, err = pairs(list.option, list.pairs); err != nil {
			return nil, err
		}
	}
	return kubernetes.New(o, log.Named("kubernetes"))
}

// pairs reads values of the form KEY=VALUE.
func pairs(option string, list []string) (map[string]string, error) {
	out := map[string]string{}
	for _, text := range list {
		key, value, ok := strings.Cut(text, "=")
		if !ok || key == "" || value == "" {
			return nil, fmt.Errorf("%s must be KEY=VALUE, not %q", option, text)
		}
		out[key] = value
	}
	return out, nil
}

// CheckEngine checks that an engine has an image, and the form of its name.
func (k *KubernetesRuntime) CheckEngine(e gateway.Engine) error {
	if e.Image == "" {
		return fmt.Errorf("runtime kubernetes requires an image")
	}
	return docker.CheckImage(e.Image)
}

// UnmarshalCaddyfile parses
//
//	runtime kubernetes {
//	    kubeconfig         PATH
//	    context            NAME
//	    namespace          NAME
//	    installation       NAME
//	    reach              pod|service|port-forward
//	    service_account    NAME
//	    node_selector      KEY=VALUE...
//	    tolerate           KEY[=VALUE][:EFFECT]...
//	    priority_class     NAME
//	    runtime_class      NAME
//	    image_pull_secrets NAME...
//	    image_pull_policy  Always|IfNotPresent|Never
//	    cpu_request        500m
//	    memory_request     2Gi
//	    devices            NAME=COUNT...
//	    claims             DIRECTORY=CLAIM[/PATH]...
//	    allow              KEY=VALUE|NETWORK...
//	    usage              metrics|kubelet|off
//	    pending_timeout    5m
//	}
func (k *KubernetesRuntime) UnmarshalCaddyfile(d *caddyfile.Dispenser) error {
	return directive.OptionLists(d, map[string]*string{
		"kubeconfig": &k.Kubeconfig, "context": &k.Context, "namespace": &k.Namespace, "installation": &k.Installation,
		"reach": &k.Reach, "service_account": &k.ServiceAccount, "priority_class": &k.PriorityClass, "runtime_class": &k.RuntimeClass,
		"image_pull_policy": &k.ImagePullPolicy, "cpu_request": &k.CPURequest, "memory_request": &k.MemoryRequest,
		"usage": &k.Usage, "pending_timeout": &k.PendingTimeout,
	}, map[string]*[]string{
		"node_selector": &k.NodeSelector, "tolerate": &k.Tolerate, "image_pull_secrets": &k.ImagePullSecrets,
		"devices": &k.Devices, "claims": &k.Claims, "allow": &k.Allow,
	})
}

// Interface guards
var (
	_ Runtime               = (*KubernetesRuntime)(nil)
	_ caddyfile.Unmarshaler = (*KubernetesRuntime)(nil)
)
