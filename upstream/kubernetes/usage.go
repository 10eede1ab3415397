package kubernetes

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/kubeapi"
	"github.com/livygateway/livygateway/upstream"
)

// Interface guard
var _ upstream.Meter = (*Runtime)(nil)

// usageAge is how long an answer about all pods is used: one call serves all gateways.
const usageAge = 10 * time.Second

// usage has what pods use, by their ids.
type usage struct {
	mu    sync.Mutex
	asked map[string]time.Time // by node; "" for the metrics API
	used  map[string]sample
}

type sample struct {
	cpuSeconds float64
	memory     int64
	at         time.Time // of the metrics API
}

// Usage returns what the gateway's pod uses; see upstream.Meter. The metrics API tells the
// cores in use, which are added up here: its CPUSeconds begin with this process.
func (r *Runtime) Usage(ctx context.Context, serverID string) (upstream.Usage, error) {
	a, err := r.connected()
	if err != nil {
		return upstream.Usage{}, err
	}
	if _, err := r.pods.current(ctx); err != nil {
		return upstream.Usage{}, err
	}
	pod, _, _ := r.pods.seen(podName(serverID))
	if pod == nil || !r.owns(pod, serverID) || !judge(pod, r.opts.PendingTimeout, time.Now()).running {
		return upstream.Usage{}, gateway.Errorf(gateway.KindNotFound, "gateway %s has no running pod", serverID)
	}
	if r.opts.Usage == UsageOff {
		return upstream.Usage{}, gateway.Errorf(gateway.KindUnavailable, "what pods use is not asked for (usage off)")
	}
	u := &r.usage
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.asked == nil {
		u.asked, u.used = map[string]time.Time{}, map[string]sample{}
	}
	ask, source := u.askMetrics, ""
	if r.opts.Usage == UsageKubelet {
		ask, source = u.askKubelet, pod.Spec.NodeName
	}
	s, known := u.used[string(pod.UID)]
	if age := time.Since(u.asked[source]); age > usageAge || !known && age > time.Second {
		u.asked[source] = time.Now()
		if err := ask(ctx, a, pod, r.pods); err != nil {
			return upstream.Usage{}, err
		}
		s, known = u.used[string(pod.UID)]
		u.forget(r.pods.all())
	}
	if !known {
		return upstream.Usage{}, gateway.Errorf(gateway.KindUnavailable, "Kubernetes has not measured pod %s yet", pod.Name)
	}
	return upstream.Usage{Instance: string(pod.UID), CPUSeconds: s.cpuSeconds, MemoryBytes: s.memory}, nil
}

// forget drops pods that are gone.
func (u *usage) forget(pods []*corev1.Pod) {
	there := map[string]bool{}
	for _, pod := range pods {
		there[string(pod.UID)] = true
	}
	for id := range u.used {
		if !there[id] {
			delete(u.used, id)
		}
	}
}

// askKubelet asks the kubelet of a pod's node about all pods there.
func (u *usage) askKubelet(ctx context.Context, a *kubeapi.Client, pod *corev1.Pod, _ *pods) error {
	ctx, cancel := context.WithTimeout(ctx, kubeapi.CallTimeout)
	defer cancel()
	body, err := a.Core.Get().Resource("nodes").Name(pod.Spec.NodeName).SubResource("proxy").Suffix("stats", "summary").
		Param("only_cpu_and_memory", "true").Do(ctx).Raw()
	if err != nil {
		return kubeapi.CallError("asking node "+pod.Spec.NodeName+" for what its pods use", err)
	}
	var summary struct {
		Pods []struct {
			PodRef struct{ UID string }
			CPU    struct{ UsageCoreNanoSeconds *uint64 }
			Memory struct{ WorkingSetBytes *int64 }
		}
	}
	if err := json.Unmarshal(body, &summary); err != nil {
		return gateway.Wrap(gateway.KindUnavailable, "reading the statistics of node "+pod.Spec.NodeName, err)
	}
	for _, p := range summary.Pods {
		if p.CPU.UsageCoreNanoSeconds != nil && p.Memory.WorkingSetBytes != nil {
			u.used[p.PodRef.UID] = sample{cpuSeconds: float64(*p.CPU.UsageCoreNanoSeconds) / 1e9, memory: *p.Memory.WorkingSetBytes}
		}
	}
	return nil
}

// askMetrics asks the metrics API about all pods of the installation.
func (u *usage) askMetrics(ctx context.Context, a *kubeapi.Client, _ *corev1.Pod, known *pods) error {
	ctx, cancel := context.WithTimeout(ctx, kubeapi.CallTimeout)
	defer cancel()
	body, err := a.Core.Get().AbsPath("/apis/metrics.k8s.io/v1beta1/namespaces", a.Namespace, "pods").Param("labelSelector", known.selector).Do(ctx).Raw()
	if err != nil {
		return kubeapi.CallError("asking the metrics API for what pods use (is metrics-server installed?)", err)
	}
	var list struct {
		Items []struct {
			Metadata   struct{ Name string }
			Timestamp  time.Time
			Containers []struct{ Usage map[string]resource.Quantity }
		}
	}
	if err := json.Unmarshal(body, &list); err != nil {
		return gateway.Wrap(gateway.KindUnavailable, "reading the answer of the metrics API", err)
	}
	for _, item := range list.Items {
		pod, _, _ := known.seen(item.Metadata.Name)
		if pod == nil {
			continue
		}
		cores, memory := 0.0, int64(0)
		for _, c := range item.Containers {
			cpu, bytes := c.Usage["cpu"], c.Usage["memory"]
			cores += cpu.AsApproximateFloat64()
			memory += bytes.Value()
		}
		u.add(string(pod.UID), cores, memory, item.Timestamp)
	}
	return nil
}

// add adds a measurement of the metrics API.
func (u *usage) add(id string, cores float64, memory int64, at time.Time) {
	s, known := u.used[id]
	if known && !at.After(s.at) {
		return
	}
	if known {
		s.cpuSeconds += cores * at.Sub(s.at).Seconds()
	}
	s.memory, s.at = memory, at
	u.used[id] = s
}
