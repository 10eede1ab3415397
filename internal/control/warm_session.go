package control

import (
	"context"
	"errors"
	"maps"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/warm"
)

// noteState stores what Livy lists of a warm session.
func (r *reconciler) noteState(ctx context.Context, w *store.Warm, s *livy.Session) error {
	if w.State == store.WarmEnding || w.LivyID == s.ID && (w.State == store.WarmIdle) == (s.State == "idle") {
		return nil
	}
	w.LivyID = s.ID
	w.State = store.WarmStarting
	if s.State == "idle" {
		w.State = store.WarmIdle
		r.warmth.failures, r.warmth.again = 0, time.Time{}
	}
	if w.Ready.IsZero() && w.State == store.WarmIdle {
		w.Ready = r.m.Now().UTC()
	}
	return unlessChanged(r.m.Store.SaveWarm(ctx, r.fence, w))
}

// unlessChanged drops the error for a warm session that was handed over meanwhile.
func unlessChanged(err error) error {
	if errors.Is(err, store.ErrChanged) {
		return nil
	}
	return err
}

// freeMemory returns the memory, in MiB, that neither Livy nor live sessions and batches use, if
// drivers share the gateway's memory.
func (r *reconciler) freeMemory(ctx context.Context, g *gateway.Gateway) (mb int64, bounded bool, err error) {
	in := r.m.resolve(g).inForce
	total := in.DriverMemory()
	if total == 0 {
		return 0, false, nil
	}
	live, err := r.m.Store.LiveRecords(ctx, g.ID)
	if err != nil {
		return 0, false, err
	}
	mb = total>>20 - max(total>>23, 256)
	for _, record := range live {
		if record.Epoch == g.Status.Epoch {
			mb -= record.MemoryMB
		}
	}
	return mb, true, nil
}

// startWarm starts a session of a shape. Its entry is written first.
func (r *reconciler) startWarm(
	ctx context.Context, g *gateway.Gateway, e *Entry, wanted warm.Wanted, spec *gateway.Warm,
) (*store.Warm, error) {
	m := r.m
	id, err := m.Ledger.NewID()
	if err != nil {
		return nil, err
	}
	s, shape, err := m.rule(e, spec, id)
	if err != nil {
		return nil, err
	}
	if shape != wanted.Shape {
		return nil, errors.New("the configuration has just changed")
	}
	now := m.Now().UTC()
	w := &store.Warm{
		ID: id, GatewayID: g.ID, Epoch: g.Status.Epoch, LivyID: -1, State: store.WarmStarting, Shape: shape,
		Created: now, Expires: now.Add(spec.Age()),
	}
	w.MilliCPU, w.MemoryMB = s.policy.Takes(&s.result.Effective)
	if err := m.Store.SaveWarm(ctx, r.fence, w); err != nil {
		return nil, err
	}
	asking, cancel := context.WithTimeout(ctx, warmCreateTimeout)
	defer cancel()
	created, err := m.Livy(g).CreateSession(asking, s.result.Body)
	if refused := (*livy.StatusError)(nil); errors.As(err, &refused) && refused.Status < 500 {
		return nil, errors.Join(err, unlessChanged(m.Store.DropWarm(ctx, r.fence, w, g.Workspace, now)))
	}
	if err != nil {
		return nil, err // it may be listed later
	}
	m.Logger.Info("starting a session ahead", zap.String("gateway", g.ID), zap.String("name", g.Ref()),
		zap.String("kind", spec.Kind), zap.String("record", id))
	w.LivyID = created.ID
	return w, unlessChanged(m.Store.SaveWarm(ctx, r.fence, w))
}

// endWarm ends a warm session. From the first step on it cannot be handed over.
func (r *reconciler) endWarm(ctx context.Context, g *gateway.Gateway, w *store.Warm, reason string) error {
	m := r.m
	if w.State != store.WarmEnding {
		m.Logger.Info("ending a session that was started ahead", zap.String("gateway", g.ID), zap.String("name", g.Ref()),
			zap.String("record", w.ID), zap.String("reason", reason))
		w.State = store.WarmEnding
		if err := m.Store.SaveWarm(ctx, r.fence, w); err != nil {
			return unlessChanged(err)
		}
	}
	if server := g.Serving(w.Epoch); server != nil && w.LivyID >= 0 {
		if _, silent := r.silentServers[w.Epoch]; silent {
			return nil
		}
		deleting, cancel := context.WithTimeout(ctx, pollTimeout)
		defer cancel()
		if err := m.Livy(server).Delete(deleting, livy.KindSession, w.LivyID); err != nil {
			// The next look tries again. The gateway's other sessions must not wait for it.
			m.Logger.Debug("cannot end a session that was started ahead", zap.String("gateway", g.ID),
				zap.String("record", w.ID), zap.Error(err))
			return ctx.Err()
		}
	}
	delete(r.warmth.touched, w.ID)
	return unlessChanged(m.Store.DropWarm(ctx, r.fence, w, g.Workspace, m.Now()))
}

// touchWarm keeps idle sessions from Livy's idle timeout, and from that of their heartbeat.
func (r *reconciler) touchWarm(ctx context.Context, g *gateway.Gateway, specs []*gateway.Warm, all map[string]*store.Warm) {
	now, every := r.m.Now(), touchEvery(specs)
	for id, w := range all {
		if w.LivyID < 0 || now.Sub(r.warmth.touched[id]) < every {
			continue
		}
		r.warmth.touched[id] = now
		asking, cancel := context.WithTimeout(ctx, warmRequestTimeout)
		if _, err := r.m.Livy(g).Connect(asking, w.LivyID); err != nil {
			r.m.Logger.Debug("cannot keep a session alive", zap.String("gateway", g.ID), zap.String("record", id), zap.Error(err))
		}
		cancel()
	}
	maps.DeleteFunc(r.warmth.touched, func(id string, _ time.Time) bool { return all[id] == nil })
}

// touchEvery is the pause between two requests for a warm session.
func touchEvery(specs []*gateway.Warm) time.Duration {
	every := touchInterval
	for _, w := range specs {
		if n := w.HeartbeatTimeoutInSecond; n > 0 {
			every = min(every, time.Duration(n)*time.Second/4)
		}
	}
	return every
}
