package control

import (
	"context"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/sessions"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/upstream"
)

// liveness records since when a reconciler's Livy server has not answered. A single
// missed answer has no consequence: a server that stays silent is first marked
// unresponsive, and restarted much later.
type liveness struct {
	instance    string
	silentSince time.Time // zero while the server answers
}

const (
	// versionTimeout bounds one request for the version of a server that is silent.
	versionTimeout = 5 * time.Second
	// healthyAfter is how long a server must run until its earlier failures are forgotten.
	healthyAfter = 10 * time.Minute
)

// pollRunning polls a running server and acts on whether it answers.
func (r *reconciler) pollRunning(ctx context.Context, g *gateway.Gateway) (time.Duration, error) {
	m := r.m
	if r.liveness.instance != g.Status.Instance {
		r.liveness = liveness{g.Status.Instance, g.Status.UnresponsiveSince}
	}
	began := m.Now()
	// The lists of a silent server would take all of pollTimeout.
	if !r.liveness.silentSince.IsZero() && !r.probe(ctx, g) {
		return r.silent(ctx, g, began)
	}
	server := &answerObserver{Lister: m.Livy(g)}
	err := r.poll(ctx, g, server)
	switch {
	case errors.Is(err, store.ErrFenced):
		return 0, err
	case ctx.Err() != nil:
		return 0, ctx.Err()
	case server.failed && !r.probe(ctx, g):
		return r.silent(ctx, g, began)
	}
	if err := r.responsive(ctx, g); err != nil {
		return 0, err
	}
	err = r.recordVisibility(ctx, g, err)
	if err != nil || r.recentlyRefused(g) {
		return m.PollInterval, err
	}
	pause := m.PollInterval
	next, err := r.keepWarm(ctx, g)
	if err != nil {
		return pause, err
	}
	if next > 0 {
		pause = min(pause, next)
	}
	return pause, r.stopIfIdle(ctx, g)
}

// probe reports whether the server answers a request for its version.
func (r *reconciler) probe(ctx context.Context, g *gateway.Gateway) bool {
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	_, err := r.m.version(ctx, g, g.Status.Address)
	return err == nil
}

// silent handles a server that has not answered since began or longer.
func (r *reconciler) silent(ctx context.Context, g *gateway.Gateway, began time.Time) (time.Duration, error) {
	m := r.m
	if ctx.Err() != nil {
		return 0, ctx.Err()
	}
	if r.liveness.silentSince.IsZero() {
		r.liveness.silentSince = began
	}
	since := r.liveness.silentSince
	silence, limits := m.Now().Sub(since), m.settings.Load()
	limit := limits.RestartUnresponsive
	if m.external() {
		limit = -1
		if m.moved(g) {
			limit = limits.UnresponsiveAfter
		}
	}
	if limit > 0 && silence >= limit {
		return r.failed(ctx, g, fmt.Sprintf(reasonSilent+"%s, for more than %s",
			since.UTC().Format(time.RFC3339), limit))
	}
	if !g.Status.UnresponsiveSince.IsZero() || silence < limits.UnresponsiveAfter {
		return m.PollInterval, nil
	}
	m.Logger.Warn("the Livy server does not answer", zap.String("gateway", g.ID),
		zap.String("name", g.Ref()), zap.Time("since", since))
	_, err := r.update(ctx, func(g *gateway.Gateway) error {
		if g.Status.State != gateway.StateRunning || g.Status.Instance != r.liveness.instance {
			return errUnchanged
		}
		g.Status.UnresponsiveSince = since.UTC().Truncate(time.Millisecond)
		return nil
	})
	return m.PollInterval, err
}

// responsive handles a server that answers: it is not unresponsive any more, and once it
// has run for a while, its earlier failures are forgotten.
func (r *reconciler) responsive(ctx context.Context, g *gateway.Gateway) error {
	m := r.m
	r.liveness.silentSince = time.Time{}
	back := !g.Status.UnresponsiveSince.IsZero()
	healthy := g.Status.HasFailed() && m.Now().Sub(g.Status.Since) >= healthyAfter
	if !back && !healthy {
		return nil
	}
	if back {
		m.Logger.Info("the Livy server answers again", zap.String("gateway", g.ID),
			zap.String("name", g.Ref()), zap.Duration("silence", m.Now().Sub(g.Status.UnresponsiveSince)))
	}
	_, err := r.update(ctx, func(g *gateway.Gateway) error {
		if g.Status.State != gateway.StateRunning || g.Status.Instance != r.liveness.instance {
			return errUnchanged
		}
		g.Status.UnresponsiveSince = time.Time{}
		if healthy {
			g.Status.ForgetFailures()
		}
		return nil
	})
	return err
}

// external reports whether somebody else starts and stops the Livy servers.
func (m *Manager) external() bool {
	_, ok := m.Runtime.(upstream.External)
	return ok
}

// moved reports whether the configuration names another address for a gateway's external
// server than the one that it is connected to.
func (m *Manager) moved(g *gateway.Gateway) bool {
	x, ok := m.Runtime.(upstream.External)
	if !ok {
		return false
	}
	address, err := x.Address(m.resolve(g).wanted.Engine, g.Status.PrimaryNumber())
	return err == nil && address != g.Status.Address
}

// answerObserver notes whether a server failed to answer a list request.
type answerObserver struct {
	sessions.Lister
	failed bool
}

func (o *answerObserver) Sessions(ctx context.Context) ([]livy.Session, error) {
	all, err := o.Lister.Sessions(ctx)
	o.observe(err)
	return all, err
}

func (o *answerObserver) Batches(ctx context.Context) ([]livy.Batch, error) {
	all, err := o.Lister.Batches(ctx)
	o.observe(err)
	return all, err
}

// observe takes a refusal by Livy itself for an answer, and an error of a server or of a
// proxy in front of it for none.
func (o *answerObserver) observe(err error) {
	if status, ok := errors.AsType[*livy.StatusError](err); ok {
		o.failed = o.failed || status.Status >= 500
		return
	}
	o.failed = o.failed || err != nil
}

// unresponsive returns the error for requests to a server that does not answer.
func unresponsive(g *gateway.Gateway) error {
	return gateway.Errorf(gateway.KindUnavailable, "the Livy server of gateway %q has not answered since %s",
		g.Spec.Name, g.Status.UnresponsiveSince.UTC().Format(time.RFC3339))
}

func (m *Manager) unresponsiveNote(since time.Time) string {
	note := "the Livy server has not answered since " + since.UTC().Format(time.RFC3339) + "; requests are refused"
	limit := m.settings.Load().RestartUnresponsive
	if limit < 0 || m.external() {
		return note + " until it answers"
	}
	return note + ", and it is restarted at " + since.Add(limit).UTC().Format(time.RFC3339) + " unless it answers before"
}
