// Package sparkpods finds and removes the pods of Spark jobs on Kubernetes, by the labels that
// policies give them. Livy 0.8.0 does not know of these pods.
package sparkpods

import (
	"context"
	"strconv"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/kubeapi"
	"github.com/livygateway/livygateway/upstream"
)

// Labels and containers of Spark's own.
const (
	appLabel        = "spark-app-selector"
	roleLabel       = "spark-role"
	driverContainer = "spark-kubernetes-driver"
)

// Pod is a pod of a job.
type Pod struct {
	Namespace, Name string
	UID             types.UID
	// Gateway and Record are the ids of the job's gateway and record, App the application's id
	// of Spark.
	Gateway, Record, App string
	// Driver is true for the driver of a batch; executors have none.
	Driver bool
	// IP is empty until the pod has one.
	IP string
	// Running is true while the pod runs or is about to, Succeeded once all its containers ended
	// well. Failure is why it failed, in words; "" if it did not.
	Running, Succeeded bool
	Failure            string
	// Deleted is true if the pod is being deleted.
	Deleted bool
}

// unused is how long a namespace is watched after somebody last asked about it.
const unused = 10 * time.Minute

// Cluster is the API of a cluster. All gateways share one watch for each namespace of jobs.
type Cluster struct {
	api *kubeapi.Client

	mu      sync.Mutex
	watched map[string]*namespace
}

// Open reads the access to a cluster. It does not use the network.
func Open(access kubeapi.Access) (*Cluster, error) {
	api, err := kubeapi.Open(access)
	if err != nil {
		return nil, err
	}
	return &Cluster{api: api, watched: make(map[string]*namespace)}, nil
}

// Close ends all watches.
func (c *Cluster) Close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name, n := range c.watched {
		n.stop()
		delete(c.watched, name)
	}
}

// Pods returns the pods of a gateway's jobs in a namespace.
func (c *Cluster) Pods(ctx context.Context, namespace, gatewayID string) ([]Pod, error) {
	return c.follow(namespace).pods(ctx, gatewayID)
}

// Job is a gateway's record, with the id of its application if that is known.
type Job struct{ Gateway, Record, App string }

// Driver returns the driver's pod of a job. Pods that were deleted while the namespace was watched
// are remembered for a while, as they were last.
func (c *Cluster) Driver(ctx context.Context, namespace string, j Job) (p Pod, found bool, err error) {
	return c.follow(namespace).driver(ctx, j)
}

// isDriverOf reports whether a pod is the driver of a job, as its labels tell.
func (p *Pod) isDriverOf(j Job) bool {
	return p.Driver && p.Gateway == j.Gateway && p.Record == j.Record && (j.App == "" || p.App == j.App)
}

// follow returns the watch of a namespace, and ends those that nobody needs any more.
func (c *Cluster) follow(name string) *namespace {
	c.mu.Lock()
	defer c.mu.Unlock()
	now := time.Now()
	for other, n := range c.watched {
		if other != name && now.Sub(n.asked) > unused {
			n.stop()
			delete(c.watched, other)
		}
	}
	n := c.watched[name]
	if n == nil {
		var ctx context.Context
		n = newNamespace(name)
		ctx, n.stop = context.WithCancel(context.Background())
		c.watched[name] = n
		go c.api.FollowPods(ctx, name, gateway.PodLabel(gateway.RecordLabel), n)
	}
	n.asked = now
	return n
}

// Remove deletes a pod, if it exists. Executors of a driver go with it.
func (c *Cluster) Remove(ctx context.Context, p *Pod) error {
	err := c.api.Remove(ctx, c.api.Core, p.Namespace, "pods", p.Name, &metav1.DeleteOptions{Preconditions: &metav1.Preconditions{UID: &p.UID}})
	if err == nil || apierrors.IsConflict(err) { // gone, and another one has its name
		return nil
	}
	return kubeapi.CallError("deleting pod "+p.Namespace+"/"+p.Name, err)
}

// Log returns the last lines of a driver's log. There are none if the pod is gone.
func (c *Cluster) Log(ctx context.Context, p *Pod, lines int) ([]string, error) {
	ctx, cancel := context.WithTimeout(ctx, kubeapi.CallTimeout)
	defer cancel()
	text, err := c.api.Core.Get().Namespace(p.Namespace).Resource("pods").Name(p.Name).SubResource("log").
		Param("container", driverContainer).Param("tailLines", strconv.Itoa(lines)).Param("limitBytes", strconv.Itoa(maxLog)).Do(ctx).Raw()
	if apierrors.IsBadRequest(err) || apierrors.IsNotFound(err) {
		return nil, nil // its container has not begun, or the pod is gone
	}
	if err != nil {
		return nil, kubeapi.CallError("reading the log of pod "+p.Namespace+"/"+p.Name, err)
	}
	return upstream.LastLines(string(text), lines), nil
}

const maxLog = 256 << 10

func podOf(p *corev1.Pod) Pod {
	pod := Pod{
		Namespace: p.Namespace, Name: p.Name, UID: p.UID, IP: p.Status.PodIP,
		Gateway: p.Labels[gateway.PodLabel("gateway")], Record: p.Labels[gateway.PodLabel(gateway.RecordLabel)], App: p.Labels[appLabel],
		Driver:    p.Labels[roleLabel] == "driver",
		Running:   p.Status.Phase == corev1.PodPending || p.Status.Phase == corev1.PodRunning,
		Succeeded: p.Status.Phase == corev1.PodSucceeded,
		Deleted:   p.DeletionTimestamp != nil,
	}
	if p.Status.Phase == corev1.PodFailed {
		pod.Failure = failure(p)
	}
	return pod
}
