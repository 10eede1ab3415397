package kubernetes

import (
	"context"
	"fmt"
	"slices"
	"strings"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/livygateway/livygateway/internal/doctor"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/kubeapi"
	"github.com/livygateway/livygateway/upstream"
)

// Interface guard
var _ upstream.Examiner = (*Runtime)(nil)

// right is what the gateway does with a resource.
type right struct {
	group, resource, subresource string
	verbs                        []string
}

func (r right) name() string { return strings.TrimSuffix(r.resource+"/"+r.subresource, "/") }

func (r *Runtime) rights(a *kubeapi.Client) []right {
	list := []right{
		{"", "pods", "", []string{"get", "list", "watch", "create", "patch", "delete"}},
		{"", "pods", "log", []string{"get"}},
		// A stream is opened with GET, but from Kubernetes 1.35 on it needs create as well.
		{"", "pods", "exec", []string{"get", "create"}},
		{"", "pods", "attach", []string{"get", "create"}},
		{"", "configmaps", "", []string{"get", "create", "delete"}},
		{"", "secrets", "", []string{"get", "create", "delete"}},
		{"", "events", "", []string{"list"}},
	}
	switch r.opts.Reach {
	case ReachService:
		list = append(list, right{"", "services", "", []string{"get", "create", "delete"}})
	case ReachPortForward:
		list = append(list, right{"", "pods", "portforward", []string{"get", "create"}})
	}
	if len(r.opts.Allow) > 0 || a.InCluster {
		list = append(list, right{"networking.k8s.io", "networkpolicies", "", []string{"get", "create", "delete"}})
	}
	switch r.opts.Usage {
	case UsageMetrics:
		list = append(list, right{"metrics.k8s.io", "pods", "", []string{"list"}})
	case UsageKubelet:
		list = append(list, right{"", "nodes", "proxy", []string{"get"}})
	}
	return list
}

// Examine checks the API, the rights there, quotas and the engines' images.
func (r *Runtime) Examine(ctx context.Context, c *gateway.Catalog) []doctor.Result {
	const check = "kubernetes"
	a, err := r.connector.get(&r.opts)
	if err != nil {
		return []doctor.Result{doctor.Failure(check, err.Error(), "set kubeconfig of runtime kubernetes, or run Caddy in the cluster")}
	}
	version, err := r.version(ctx, a)
	if err != nil {
		return []doctor.Result{doctor.Failure(check, fmt.Sprintf("%s does not answer: %s", a.Config.Host, err),
			"check the address, certificate and login in the kubeconfig of runtime kubernetes")}
	}
	results := []doctor.Result{doctor.Good(check, "%s answers, version %s; pods run in namespace %s", a.Config.Host, version, a.Namespace)}
	results = append(results, r.examineRights(ctx, a, "kubernetes rights", a.Namespace, r.rights(a)))
	for _, namespace := range jobNamespaces(c) {
		if namespace != a.Namespace {
			results = append(results, r.examineRights(ctx, a, "kubernetes rights in "+namespace, namespace, jobRights))
		}
	}
	results = append(results, r.examineQuotas(ctx, a, c)...)
	for _, e := range c.Engines {
		results = append(results, r.examineEngine(e))
	}
	return append(results, r.examinePolicy(a))
}

// jobRights are what the gateway needs in a namespace of jobs; see package sparkpods.
var jobRights = []right{{"", "pods", "", []string{"list", "watch", "delete"}}, {"", "pods", "log", []string{"get"}}}

// jobNamespaces returns the namespaces that the configuration names for jobs in the cluster of the
// pods.
func jobNamespaces(c *gateway.Catalog) []string {
	var list []string
	here := false
	for _, cluster := range c.Clusters {
		if cluster.Kubernetes() && cluster.Kubeconfig == "" {
			here = true
			if namespace := cluster.Conf["spark.kubernetes.namespace"]; namespace != "" {
				list = append(list, namespace)
			}
		}
	}
	if here {
		list = append(list, c.Queues...)
	}
	slices.Sort(list)
	return slices.Compact(list)
}

func (r *Runtime) examineRights(ctx context.Context, a *kubeapi.Client, check, namespace string, rights []right) doctor.Result {
	var missing []string
	n := 0
	for _, right := range rights {
		for _, verb := range right.verbs {
			n++
			review := &authorizationv1.SelfSubjectAccessReview{Spec: authorizationv1.SelfSubjectAccessReviewSpec{
				ResourceAttributes: &authorizationv1.ResourceAttributes{
					Namespace: namespace, Group: right.group, Resource: right.resource, Subresource: right.subresource, Verb: verb,
				},
			}}
			calling, cancel := context.WithTimeout(ctx, kubeapi.CallTimeout)
			err := a.Authorization.Post().Resource("selfsubjectaccessreviews").Body(review).Do(calling).Into(review)
			cancel()
			if err != nil {
				return doctor.Warning(check, "cannot be checked: "+err.Error(), "allow create of selfsubjectaccessreviews")
			}
			if !review.Status.Allowed {
				missing = append(missing, verb+" "+right.name())
			}
		}
	}
	if len(missing) > 0 {
		return doctor.Failure(check, "missing in namespace "+namespace+": "+strings.Join(missing, ", "),
			"grant them with a Role and a RoleBinding; see docs/kubernetes.md")
	}
	return doctor.Good(check, "all %d that are needed", n)
}

// examineQuotas compares the quotas of the namespace with the smallest gateway.
func (r *Runtime) examineQuotas(ctx context.Context, a *kubeapi.Client, c *gateway.Catalog) []doctor.Result {
	ctx, cancel := context.WithTimeout(ctx, kubeapi.CallTimeout)
	defer cancel()
	var list corev1.ResourceQuotaList
	err := a.Core.Get().Namespace(a.Namespace).Resource("resourcequotas").VersionedParams(&metav1.ListOptions{}, kubeapi.Parameters).Do(ctx).Into(&list)
	if err != nil {
		return nil // it may be none of the gateway's business
	}
	smallest := gateway.Spec{Memory: c.AllowedMemories()[0]}
	wanted := r.resources(&upstream.Launch{CPU: c.AllowedCPUs()[0], Memory: smallest.MemoryBytes()})
	var results []doctor.Result
	for _, quota := range list.Items {
		check := "kubernetes quota " + quota.Name
		full := ""
		for name, hard := range quota.Status.Hard {
			free := hard.DeepCopy()
			free.Sub(quota.Status.Used[name])
			need, ok := wanted.Limits[corev1.ResourceName(strings.TrimPrefix(string(name), "limits."))]
			if plain := strings.TrimPrefix(string(name), "requests."); !strings.HasPrefix(string(name), "limits.") {
				need, ok = wanted.Requests[corev1.ResourceName(plain)]
			}
			if ok && free.Cmp(need) < 0 {
				full = fmt.Sprintf("%s: %s of %s is free, the smallest gateway takes %s", name, free.String(), hard.String(), need.String())
			}
		}
		if full != "" {
			results = append(results, doctor.Warning(check, "has no room for another gateway: "+full, "stop gateways, or raise the quota"))
			continue
		}
		results = append(results, doctor.Good(check, "has room for another gateway"))
	}
	return results
}

// examineEngine checks what is known of an image without the node that will pull it.
func (r *Runtime) examineEngine(e gateway.Engine) doctor.Result {
	check := "engine " + e.Name
	if host, _, ok := strings.Cut(e.Image, "/"); (!ok || !strings.ContainsAny(host, ".:")) && r.opts.PullPolicy != string(corev1.PullNever) {
		return doctor.Warning(check, "image "+e.Image+" names no registry, so nodes look for it at Docker Hub",
			"push the image to your registry and name that, or load it on each node and set image_pull_policy Never")
	}
	return doctor.Good(check, "image %s", e.Image)
}

func (r *Runtime) examinePolicy(a *kubeapi.Client) doctor.Result {
	const check = "kubernetes network policies"
	if len(r.opts.Allow) == 0 && !a.InCluster {
		return doctor.Warning(check, "none: every pod of the cluster can connect to Livy servers, which require no login",
			"set allow in runtime kubernetes to the networks of the Caddy instances")
	}
	return doctor.Good(check, "each server has one; they hold only if the cluster's network plugin enforces them (Calico, Cilium and others do, Flannel does not)")
}
