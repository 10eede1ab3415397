package control

import (
	"context"
	"encoding/json"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/upstream/sparkpods"
)

// podAccess holds the APIs of clusters by their kubeconfig.
type podAccess struct {
	mu   sync.Mutex
	open map[string]*sparkpods.Cluster
}

func (a *podAccess) cluster(kubeconfig string) (*sparkpods.Cluster, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c := a.open[kubeconfig]; c != nil {
		return c, nil
	}
	c, err := sparkpods.Open(kubeconfig)
	if err != nil {
		return nil, err
	}
	if a.open == nil {
		a.open = make(map[string]*sparkpods.Cluster)
	}
	a.open[kubeconfig] = c
	return c, nil
}

// RunsPods reports whether the jobs of a gateway run in pods that the gateway can look up.
func (m *Manager) RunsPods(g *gateway.Gateway) bool {
	return m.resolve(g).inForce.Cluster.Kubernetes()
}

// podNamespace returns the namespace of a gateway's jobs, or "" for that of the kubeconfig.
func (m *Manager) podNamespace(g *gateway.Gateway) string {
	r := m.resolve(g).inForce
	if r.Spec.Queue != "" {
		return r.Spec.Queue
	}
	return r.Cluster.Conf["spark.kubernetes.namespace"]
}

// recordNamespace returns the namespace of a record's pods: a token may have a queue of its own.
func recordNamespace(r *store.Record, gatewayNamespace string) string {
	var resources struct{ Queue string }
	if json.Unmarshal(r.Resources, &resources) == nil && resources.Queue != "" {
		return resources.Queue
	}
	return gatewayNamespace
}

// JobPods returns the pods of a record.
func (m *Manager) JobPods(ctx context.Context, g *gateway.Gateway, r *store.Record) ([]sparkpods.Pod, error) {
	cluster, err := m.pods.cluster(m.resolve(g).inForce.Cluster.Kubeconfig)
	if err != nil {
		return nil, err
	}
	pods, err := cluster.Pods(ctx, recordNamespace(r, m.podNamespace(g)), g.ID)
	return slices.DeleteFunc(pods, func(p sparkpods.Pod) bool { return p.Record != r.ID }), err
}

// podCare is what a reconciler knows of the pods of its gateway's jobs.
type podCare struct {
	// settled is true if there is nothing to look for: no job lives, and no pod of one runs.
	settled bool
	// namespaces are those in which jobs were seen.
	namespaces map[string]bool
	trouble    outage
}

// podTimeout bounds one look at the pods of a gateway.
const podTimeout = 10 * time.Second

// followPods records the applications that the pods of jobs belong to, and removes pods whose
// record has ended: on Kubernetes, Livy 0.8.0 ends spark-submit with a batch, but not the driver.
func (r *reconciler) followPods(ctx context.Context, g *gateway.Gateway) {
	if !r.m.RunsPods(g) {
		return
	}
	ctx, cancel := context.WithTimeout(ctx, podTimeout)
	defer cancel()
	err := r.lookAtPods(ctx, g)
	switch {
	case err == nil && r.pods.trouble.ends():
		r.m.Logger.Info("the pods of jobs can be seen again", zap.String("gateway", g.ID))
	case err != nil && r.pods.trouble.begins(err):
		r.m.Logger.Warn("cannot look after the pods of jobs", zap.String("gateway", g.ID), zap.Error(err))
	}
}

func (r *reconciler) lookAtPods(ctx context.Context, g *gateway.Gateway) error {
	m, care := r.m, &r.pods
	live, err := m.Store.LiveRecords(ctx, g.ID)
	if err != nil {
		return err
	}
	if len(live) == 0 && care.settled {
		return nil
	}
	care.settled = false
	if care.namespaces == nil {
		care.namespaces = make(map[string]bool)
	}
	home := m.podNamespace(g)
	care.namespaces[home] = true
	byID := make(map[string]*store.Record)
	for _, l := range live {
		byID[l.ID] = l
		care.namespaces[recordNamespace(l, home)] = true
	}
	cluster, err := m.pods.cluster(m.resolve(g).inForce.Cluster.Kubeconfig)
	if err != nil {
		return err
	}
	settled := len(live) == 0
	for namespace := range care.namespaces {
		pods, err := cluster.Pods(ctx, namespace, g.ID)
		if err != nil {
			return err
		}
		for i := range pods {
			p := &pods[i]
			if l := byID[p.Record]; l != nil {
				if l.AppID == "" && p.App != "" {
					l.AppID = p.App
					m.Ledger.SetApp(ctx, g.ID, l.ID, p.App)
				}
				continue
			}
			if !p.Running || p.Deleted {
				continue
			}
			settled = false
			if err := r.removePod(ctx, g, cluster, p); err != nil {
				return err
			}
		}
	}
	care.settled = settled
	return nil
}

// removePod removes a pod whose record has ended.
func (r *reconciler) removePod(ctx context.Context, g *gateway.Gateway, cluster *sparkpods.Cluster, p *sparkpods.Pod) error {
	record, err := r.m.Store.RecordByID(ctx, g.ID, p.Record)
	if err != nil && gateway.KindOf(err) != gateway.KindNotFound || err == nil && record.Live() {
		return err
	}
	r.m.Logger.Info("removing a pod of a job that has ended",
		zap.String("gateway", g.ID), zap.String("record", p.Record), zap.String("pod", p.Namespace+"/"+p.Name))
	return cluster.Remove(ctx, p)
}
