// Package sparkpods finds and removes the pods of Spark jobs on Kubernetes, by the labels that
// policies give them. Livy 0.8.0 does not know of these pods.
package sparkpods

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"

	"github.com/livygateway/livygateway/internal/gateway"
)

// Labels and annotations of Spark's own.
const (
	appLabel  = "spark-app-selector"
	roleLabel = "spark-role"
)

// Pod is a pod of a job.
type Pod struct {
	Namespace, Name string
	// Record is the id of the job's record, App the application's id of Spark.
	Record, App string
	// Driver is true for the driver of a batch; executors have none.
	Driver bool
	// IP is empty until the pod has one.
	IP string
	// Running is true while the pod runs or is about to.
	Running bool
	// Deleted is true if the pod is being deleted.
	Deleted bool
}

// Cluster is the API of a cluster.
type Cluster struct {
	base   *url.URL
	client *http.Client
	// namespace is that of the kubeconfig or of the service account.
	namespace string
}

const (
	callTimeout   = 10 * time.Second
	maxReply      = 32 << 20
	namespaceFile = "/var/run/secrets/kubernetes.io/serviceaccount/namespace"
)

// Open reads a kubeconfig file. Without one it takes the file that KUBECONFIG names, or the
// service account of this process's own pod. It does not use the network.
func Open(kubeconfig string) (*Cluster, error) {
	config, namespace, err := load(kubeconfig)
	if err != nil {
		return nil, gateway.Wrap(gateway.KindInvalid, "reading the access to the Kubernetes API", err)
	}
	config.UserAgent = "livygateway"
	client, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, gateway.Wrap(gateway.KindInvalid, "reading the access to the Kubernetes API", err)
	}
	base, _, err := rest.DefaultServerUrlFor(config)
	if err != nil {
		return nil, gateway.Wrap(gateway.KindInvalid, "reading the access to the Kubernetes API", err)
	}
	return &Cluster{base: base, client: client, namespace: cmp.Or(namespace, "default")}, nil
}

func load(kubeconfig string) (*rest.Config, string, error) {
	if kubeconfig == "" && os.Getenv(clientcmd.RecommendedConfigPathEnvVar) == "" {
		if config, err := rest.InClusterConfig(); err == nil {
			text, err := os.ReadFile(namespaceFile)
			return config, strings.TrimSpace(string(text)), err
		}
	}
	rules := clientcmd.NewDefaultClientConfigLoadingRules()
	rules.ExplicitPath = kubeconfig
	loaded := clientcmd.NewNonInteractiveDeferredLoadingClientConfig(rules, nil)
	config, err := loaded.ClientConfig()
	if err != nil {
		return nil, "", err
	}
	namespace, _, err := loaded.Namespace()
	return config, namespace, err
}

// list is the part of Kubernetes' PodList that is used here.
type list struct {
	Items []struct {
		Metadata struct {
			Name, Namespace   string
			Labels            map[string]string
			DeletionTimestamp string
		}
		Status struct{ Phase, PodIP string }
	}
}

// Pods returns the pods of a gateway's jobs in a namespace. Without a namespace it takes that of
// the kubeconfig or service account.
func (c *Cluster) Pods(ctx context.Context, namespace, gatewayID string) ([]Pod, error) {
	query := url.Values{
		"labelSelector": {gateway.PodLabel("gateway") + "=" + gatewayID + "," + gateway.PodLabel(gateway.RecordLabel)},
		// From the API server's cache, which is as recent as a watch.
		"resourceVersion": {"0"},
	}
	var found list
	if err := c.call(ctx, http.MethodGet, c.path(namespace, ""), query, &found); err != nil {
		return nil, err
	}
	pods := make([]Pod, 0, len(found.Items))
	for _, p := range found.Items {
		m := &p.Metadata
		pods = append(pods, Pod{
			Namespace: m.Namespace, Name: m.Name, IP: p.Status.PodIP,
			Record: m.Labels[gateway.PodLabel(gateway.RecordLabel)], App: m.Labels[appLabel],
			Driver:  m.Labels[roleLabel] == "driver",
			Running: p.Status.Phase == "Pending" || p.Status.Phase == "Running",
			Deleted: m.DeletionTimestamp != "",
		})
	}
	return pods, nil
}

// Remove deletes a pod, if it exists. Executors of a driver go with it.
func (c *Cluster) Remove(ctx context.Context, p *Pod) error {
	err := c.call(ctx, http.MethodDelete, c.path(p.Namespace, p.Name), nil, nil)
	if gateway.KindOf(err) == gateway.KindNotFound {
		return nil
	}
	return err
}

func (c *Cluster) path(namespace, pod string) string {
	return c.base.JoinPath("api/v1/namespaces", cmp.Or(namespace, c.namespace), "pods", pod).String()
}

func (c *Cluster) call(ctx context.Context, method, address string, query url.Values, into any) error {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	if len(query) > 0 {
		address += "?" + query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, method, address, http.NoBody)
	if err != nil {
		return err
	}
	req.Header.Set("Accept", "application/json")
	resp, err := c.client.Do(req)
	if err != nil {
		return gateway.Wrap(gateway.KindUnavailable, "the Kubernetes API does not answer", err)
	}
	defer resp.Body.Close()
	body := http.MaxBytesReader(nil, resp.Body, maxReply)
	switch {
	case resp.StatusCode == http.StatusNotFound:
		return gateway.Errorf(gateway.KindNotFound, "Kubernetes does not know it")
	case resp.StatusCode == http.StatusForbidden, resp.StatusCode == http.StatusUnauthorized:
		return gateway.Errorf(gateway.KindUnavailable,
			"Kubernetes does not let the gateway %s pods of jobs (%d); its role needs the verbs list and delete for pods",
			strings.ToLower(method), resp.StatusCode)
	case resp.StatusCode >= http.StatusBadRequest:
		return gateway.Errorf(gateway.KindUnavailable, "the Kubernetes API answered %d", resp.StatusCode)
	case into == nil:
		_, err = io.Copy(io.Discard, body)
	default:
		err = json.NewDecoder(body).Decode(into)
	}
	if err != nil {
		return fmt.Errorf("reading a reply of the Kubernetes API: %w", err)
	}
	return nil
}
