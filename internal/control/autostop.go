package control

import (
	"context"
	"maps"
	"sync/atomic"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
)

// usage records when clients last used a gateway through this process.
type usage struct {
	last   atomic.Int64  // when the last request began or ended, in Unix milliseconds
	open   atomic.Int64  // requests in progress
	waking chan struct{} // has an element while a request starts the gateway
}

func (m *Manager) usage(id string) *usage {
	u, _ := m.usages.LoadOrStore(id, &usage{waking: make(chan struct{}, 1)})
	return u.(*usage)
}

// Begin records the start of a client's request. Each call must be followed by End.
func (e *Entry) Begin(now time.Time) {
	e.used.open.Add(1)
	e.used.last.Store(now.UnixMilli())
}

// End records the end of a client's request.
func (e *Entry) End(now time.Time) {
	e.used.last.Store(now.UnixMilli())
	e.used.open.Add(-1)
}

// useInterval is the pause between two reports of use to Redis, where the instance that
// supervises the gateway reads them.
const useInterval = time.Second

// reportUse records in Redis, until ctx ends, which gateways were used through this process.
func (m *Manager) reportUse(ctx context.Context) {
	tick := time.NewTicker(useInterval)
	defer tick.Stop()
	reported := make(map[string]int64)
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		fresh := m.freshUse(reported)
		if len(fresh) == 0 {
			continue
		}
		if err := m.Store.TouchAll(ctx, fresh); err != nil {
			continue // retried in the next round
		}
		maps.Copy(reported, fresh)
	}
}

// freshUse returns the uses that have not been reported yet, by gateway.
func (m *Manager) freshUse(reported map[string]int64) map[string]int64 {
	fresh := make(map[string]int64)
	for _, e := range m.snapshots.entries() {
		if !e.Gateway.Spec.AutoStop.Enabled {
			continue
		}
		if at := e.used.latest(m.Now()); at > reported[e.Gateway.ID] {
			fresh[e.Gateway.ID] = at
		}
	}
	return fresh
}

// latest returns the time of the last use in Unix milliseconds, which is now while a
// request is in progress.
func (u *usage) latest(now time.Time) int64 {
	if u.open.Load() > 0 {
		return now.UnixMilli()
	}
	return u.last.Load()
}

// idleness records since when a reconciler has observed no use of its gateway.
type idleness struct {
	instance string // the observed server
	since    time.Time
}

// stopIfIdle stops a gateway that has auto-stop enabled and has been idle for long enough.
func (r *reconciler) stopIfIdle(ctx context.Context, g *gateway.Gateway) error {
	m := r.m
	if !g.Spec.AutoStop.Enabled {
		r.idle = idleness{}
		return nil
	}
	now := m.Now()
	if r.idle.instance != g.Status.Instance {
		r.idle = idleness{g.Status.Instance, now}
	}
	used, err := m.lastUse(ctx, g.ID)
	if err != nil {
		return err
	}
	if used.After(r.idle.since) {
		r.idle.since = used
	}
	work, err := m.busyServers(ctx, g)
	if livy.IsRefused(err) {
		return r.recordVisibility(ctx, g, err)
	}
	if err != nil {
		return err
	}
	if work {
		r.idle.since = now
	}
	// Allow for uses that other instances have not reported yet.
	limit := time.Duration(m.Effective(g).AutoStop.Minutes)*time.Minute + 2*useInterval
	if now.Sub(r.idle.since) < limit {
		return nil
	}
	u := m.usage(g.ID)
	_, err = r.update(ctx, func(g *gateway.Gateway) error {
		used := u.open.Load() > 0 || time.UnixMilli(u.last.Load()).After(r.idle.since)
		if used || g.Status.State != gateway.StateRunning || g.Status.Instance != r.idle.instance ||
			!g.Spec.AutoStop.Enabled {
			return errUnchanged
		}
		g.Desired = gateway.StateStopped
		g.Enter(gateway.StateStopping, "idle for "+gateway.Count(m.Effective(g).AutoStop.Minutes, "minute"),
			gateway.SystemActor, now)
		return nil
	})
	return err
}

// lastUse returns when any process last forwarded a client's request to a gateway.
func (m *Manager) lastUse(ctx context.Context, id string) (time.Time, error) {
	last, err := m.Store.Touch(ctx, id, m.usage(id).latest(m.Now()))
	return time.UnixMilli(last), err
}

// busy reports whether the gateway has a running batch, a session that is executing
// something, or an idle session that Livy's own timeout will end.
func (m *Manager) busy(ctx context.Context, g *gateway.Gateway) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	server := m.Livy(g)
	batches, err := server.Batches(ctx)
	if err != nil {
		return false, err
	}
	for i := range batches {
		if !livy.Finished(batches[i].State) {
			return true, nil
		}
	}
	if m.DriverPods(g) { // what Livy calls a success may still run
		living, err := m.Ledger.Living(ctx, g)
		if err != nil || living.Batches > 0 {
			return living.Batches > 0, err
		}
	}
	all, err := server.Sessions(ctx)
	if err != nil {
		return false, err
	}
	warm := make(map[string]bool)
	if g.Status.Warmed {
		entries, err := m.Store.Warm(ctx, g.ID)
		if err != nil {
			return false, err
		}
		for _, w := range entries {
			warm[w.ID] = true
		}
	}
	timeouts := m.resolve(g).inForce.LivyConf("livy.server.session.timeout-check") != "false"
	for i := range all {
		if !warm[all[i].Name] && keepsBusy(all[i], timeouts) {
			return true, nil
		}
	}
	return false, nil
}

// keepsBusy reports whether a session keeps its gateway from being idle. With Livy's
// session timeout on, an idle session that still exists is within that timeout. With it
// off, an idle session would keep the gateway running for ever, so it does not count.
func keepsBusy(s livy.Session, timeouts bool) bool {
	if livy.Finished(s.State) {
		return false
	}
	return s.State != "idle" || timeouts
}
