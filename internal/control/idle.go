package control

import (
	"context"
	"maps"
	"sync"
	"sync/atomic"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
)

// usage is when clients last used a gateway through this process.
type usage struct {
	last   atomic.Int64 // Unix milliseconds of the last request's begin or end
	open   atomic.Int64 // requests under way
	waking sync.Mutex   // held by the request that starts the gateway
}

func (m *Manager) usage(id string) *usage {
	u, _ := m.usages.LoadOrStore(id, new(usage))
	return u.(*usage)
}

// Begin notes that a client's request begins; End must follow.
func (e *Entry) Begin(now time.Time) {
	e.used.open.Add(1)
	e.used.last.Store(now.UnixMilli())
}

// End notes that a client's request is over.
func (e *Entry) End(now time.Time) {
	e.used.last.Store(now.UnixMilli())
	e.used.open.Add(-1)
}

// useInterval is the pause between two reports of use: the supervisor of a gateway
// may be another instance.
const useInterval = time.Second

// reportUse notes in Redis, until ctx ends, what was used through this process.
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
			continue // the next round has it
		}
		maps.Copy(reported, fresh)
	}
}

// freshUse is what was used since it was reported, by gateway.
func (m *Manager) freshUse(reported map[string]int64) map[string]int64 {
	fresh := make(map[string]int64)
	for _, e := range m.view.all() {
		if !e.Gateway.Spec.AutoStop.Enabled {
			continue
		}
		if at := e.used.latest(m.Now()); at > reported[e.Gateway.ID] {
			fresh[e.Gateway.ID] = at
		}
	}
	return fresh
}

// latest is when it was last used, in Unix milliseconds: now while a request is
// under way.
func (u *usage) latest(now time.Time) int64 {
	if u.open.Load() > 0 {
		return now.UnixMilli()
	}
	return u.last.Load()
}

// idleness is since when a worker has seen nobody use its gateway.
type idleness struct {
	instance string // the server that was watched
	since    time.Time
}

// stopIfIdle stops a gateway that wants it and has been idle for long enough.
func (w *worker) stopIfIdle(ctx context.Context, g *gateway.Gateway) error {
	m := w.m
	if !g.Spec.AutoStop.Enabled {
		w.idle = idleness{}
		return nil
	}
	now := m.Now()
	if w.idle.instance != g.Status.Instance {
		w.idle = idleness{g.Status.Instance, now}
	}
	used, err := m.lastUse(ctx, g.ID)
	if err != nil {
		return err
	}
	if used.After(w.idle.since) {
		w.idle.since = used
	}
	work, err := m.working(ctx, g)
	if livy.IsRefused(err) {
		return w.see(ctx, g, err)
	}
	if err != nil {
		return err
	}
	if work {
		w.idle.since = now
	}
	// What other instances have not reported yet counts too.
	limit := time.Duration(m.Effective(g).AutoStop.Minutes)*time.Minute + 2*useInterval
	if now.Sub(w.idle.since) < limit {
		return nil
	}
	u := m.usage(g.ID)
	_, err = w.update(ctx, func(g *gateway.Gateway) error {
		used := u.open.Load() > 0 || time.UnixMilli(u.last.Load()).After(w.idle.since)
		if used || g.Status.State != gateway.StateRunning || g.Status.Instance != w.idle.instance || !g.Spec.AutoStop.Enabled {
			return errUnchanged
		}
		g.Desired = gateway.StateStopped
		g.Enter(gateway.StateStopping, "idle for "+gateway.Count(m.Effective(g).AutoStop.Minutes, "minute"), gateway.SystemActor, now)
		return nil
	})
	return err
}

// lastUse is when any process last passed a client's request on to a gateway.
func (m *Manager) lastUse(ctx context.Context, id string) (time.Time, error) {
	last, err := m.Store.Touch(ctx, id, m.usage(id).latest(m.Now()))
	return time.UnixMilli(last), err
}

// working says whether a batch runs, a session does something, or a session
// waits that Livy itself would end if it waited too long.
func (m *Manager) working(ctx context.Context, g *gateway.Gateway) (bool, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
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
	all, err := server.Sessions(ctx)
	if err != nil {
		return false, err
	}
	timeouts := m.resolve(g).inForce.LivyConf("livy.server.session.timeout-check") != "false"
	for i := range all {
		if counts(all[i], timeouts) {
			return true, nil
		}
	}
	return false, nil
}

// counts says whether a session keeps its gateway from being idle. With Livy's
// timeouts on, one that is still there is within its own; with them off, an
// idle session would keep the gateway for ever.
func counts(s livy.Session, timeouts bool) bool {
	if livy.Finished(s.State) {
		return false
	}
	return s.State != "idle" || timeouts
}
