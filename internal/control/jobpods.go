package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sync"
	"time"

	"go.uber.org/zap"
	"k8s.io/apimachinery/pkg/types"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/kubeapi"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/resolved"
	"github.com/livygateway/livygateway/internal/sessions"
	"github.com/livygateway/livygateway/internal/sparkpods"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/policies"
	"github.com/livygateway/livygateway/upstream"
)

// podAccess holds the APIs of clusters by how they are reached.
type podAccess struct {
	mu   sync.Mutex
	open map[kubeapi.Access]*sparkpods.Cluster
}

func (a *podAccess) cluster(access kubeapi.Access) (*sparkpods.Cluster, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c := a.open[access]; c != nil {
		return c, nil
	}
	c, err := sparkpods.Open(access)
	if err != nil {
		return nil, err
	}
	if a.open == nil {
		a.open = make(map[kubeapi.Access]*sparkpods.Cluster)
	}
	a.open[access] = c
	return c, nil
}

// close ends all watches.
func (a *podAccess) close() {
	a.mu.Lock()
	defer a.mu.Unlock()
	for _, c := range a.open {
		c.Close()
	}
	a.open = nil
}

// podHoster returns the runtime if a gateway's Livy server is a pod of the cluster that its jobs
// run on, or nil. Drivers then have the service account of that pod.
func (m *Manager) podHoster(r *resolved.Gateway) upstream.PodHoster {
	if host, ok := m.Runtime.(upstream.PodHoster); ok && r.Kubernetes() && r.Cluster.Kubeconfig == "" {
		return host
	}
	return nil
}

// jobCluster returns the cluster that a gateway's jobs run on.
func (m *Manager) jobCluster(g *gateway.Gateway) (*sparkpods.Cluster, error) {
	r := m.resolve(g).inForce
	if host := m.podHoster(r); host != nil {
		return m.pods.cluster(host.Access())
	}
	return m.pods.cluster(kubeapi.Access{Kubeconfig: r.Cluster.Kubeconfig})
}

// RunsPods reports whether the jobs of a gateway run in pods that the gateway can look up.
func (m *Manager) RunsPods(g *gateway.Gateway) bool {
	return m.resolve(g).inForce.Cluster.Kubernetes()
}

// DriverPods implements sessions.Drivers.
func (m *Manager) DriverPods(g *gateway.Gateway) bool { return driverPods(m.resolve(g).inForce) }

func driverPods(r *resolved.Gateway) bool {
	return r.Cluster.Kubernetes() && r.DeployMode != "client"
}

// podNamespace returns the namespace of a gateway's jobs.
func (m *Manager) podNamespace(g *gateway.Gateway) (string, error) {
	r := m.resolve(g).inForce
	if namespace := r.JobNamespace(); namespace != "" {
		return namespace, nil
	}
	if host := m.podHoster(r); host != nil {
		namespace, _, err := host.Pod(g.ServerID())
		return namespace, err
	}
	return "default", nil // Spark's own
}

// DriverPod returns the settings that make the pod of a gateway's Livy server the owner of the
// executors of a session, so that Kubernetes ends these with it; none if it cannot be. queue is
// that of the token, if it has one: an owner is in the namespace of what it owns.
func (m *Manager) DriverPod(g *gateway.Gateway, kind livy.Kind, queue string) (map[string]string, error) {
	r := m.resolve(g).inForce
	host := m.podHoster(r)
	if host == nil || kind != livy.KindSession || r.DeployMode == "cluster" {
		return nil, nil
	}
	namespace, name, err := host.Pod(g.ServerID())
	if err != nil {
		return nil, err
	}
	jobs := queue
	if jobs == "" {
		if jobs, err = m.podNamespace(g); err != nil {
			return nil, err
		}
	}
	if jobs != namespace {
		return nil, nil
	}
	return map[string]string{policies.DriverPodKey: name}, nil
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
	cluster, err := m.jobCluster(g)
	if err != nil {
		return nil, err
	}
	home, err := m.podNamespace(g)
	if err != nil {
		return nil, err
	}
	pods, err := cluster.Pods(ctx, recordNamespace(r, home), g.ID)
	return slices.DeleteFunc(pods, func(p sparkpods.Pod) bool { return p.Record != r.ID }), err
}

// Driver implements sessions.Drivers.
func (m *Manager) Driver(ctx context.Context, g *gateway.Gateway, r *store.Record) (sessions.DriverState, string, error) {
	cluster, err := m.jobCluster(g)
	if err != nil {
		return sessions.DriverGone, "", err
	}
	home, err := m.podNamespace(g)
	if err != nil {
		return sessions.DriverGone, "", err
	}
	p, found, err := cluster.Driver(ctx, recordNamespace(r, home), sparkpods.Job{Gateway: g.ID, Record: r.ID, App: r.AppID})
	switch {
	case err != nil:
		return sessions.DriverGone, "", err
	case p.Succeeded:
		return sessions.DriverSucceeded, "", nil
	case p.Failure != "":
		return sessions.DriverFailed, p.Failure, nil
	case found && p.Running:
		return sessions.DriverRuns, "", nil
	}
	return sessions.DriverGone, "", nil
}

// podCare is what a reconciler knows of the pods of its gateway's jobs.
type podCare struct {
	// settled is true if there is nothing to look for: no job lives, and no pod of one runs.
	settled bool
	// namespaces are those in which jobs were seen.
	namespaces map[string]bool
	// logged are the ended drivers whose log is in their record.
	logged  map[types.UID]bool
	trouble outage
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
		care.namespaces, care.logged = make(map[string]bool), make(map[types.UID]bool)
	}
	cluster, err := m.jobCluster(g)
	if err != nil {
		return err
	}
	home, err := m.podNamespace(g)
	if err != nil {
		return err
	}
	care.namespaces[home] = true
	byID := make(map[string]*store.Record)
	for _, l := range live {
		byID[l.ID] = l
		care.namespaces[recordNamespace(l, home)] = true
	}
	settled := len(live) == 0
	var failed error
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
			if p.Deleted {
				continue
			}
			if !p.Running {
				failed = errors.Join(failed, r.keepDriverLog(ctx, g, cluster, p))
				continue
			}
			settled = false
			if err := r.removePod(ctx, g, cluster, p); err != nil {
				return err
			}
		}
	}
	care.settled = settled
	return failed
}

// removePod removes a pod whose record has ended.
func (r *reconciler) removePod(ctx context.Context, g *gateway.Gateway, cluster *sparkpods.Cluster, p *sparkpods.Pod) error {
	record, err := r.m.Store.RecordByID(ctx, g.ID, p.Record)
	if err != nil && gateway.KindOf(err) != gateway.KindNotFound || err == nil && record.Live() {
		return err
	}
	failed := r.keepDriverLog(ctx, g, cluster, p)
	r.m.Logger.Info("removing a pod of a job that has ended",
		zap.String("gateway", g.ID), zap.String("record", p.Record), zap.String("pod", p.Namespace+"/"+p.Name))
	return errors.Join(failed, cluster.Remove(ctx, p))
}

// driverLines is the number of lines of a driver's log that a record gets.
const driverLines = 30

// keepDriverLog adds the end of a driver's log to the record of its batch: Livy has only that of
// spark-submit.
func (r *reconciler) keepDriverLog(ctx context.Context, g *gateway.Gateway, cluster *sparkpods.Cluster, p *sparkpods.Pod) error {
	if !p.Driver || r.pods.logged[p.UID] {
		return nil
	}
	lines, err := cluster.Log(ctx, p, driverLines)
	if err != nil {
		return err
	}
	r.m.Ledger.AddLog(ctx, g.ID, p.Record, fmt.Sprintf("The driver's log, from pod %s in namespace %s:", p.Name, p.Namespace), lines)
	r.pods.logged[p.UID] = true
	return nil
}
