package control

import (
	"context"
	"reflect"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/warm"
)

const (
	// learnEvery is the pause between two looks at a gateway's records, learnSoon that while
	// nothing was learned.
	learnEvery, learnSoon = time.Hour, 5 * time.Minute
	// At most maxLearned of the newest records are read, learnPage at a time.
	maxLearned, learnPage = 2000, 200
)

// learning is when a reconciler last looked at the records, and under which settings.
type learning struct {
	settings any
	again    time.Time
}

const noteNothingLearned = "no session is started ahead by warm auto yet: none was created three times in the last seven days"

// learnWarm updates the shapes that the gateway learns from its records. It reports whether the
// gateway was changed.
func (r *reconciler) learnWarm(ctx context.Context, g *gateway.Gateway, e *Entry) (changed bool, err error) {
	auto := g.Spec.AutoWarm()
	if auto == nil && len(g.Status.WarmLearned) == 0 {
		return false, nil
	}
	now, settings := r.m.Now(), any(e.resolution.inForce)
	if r.learning.settings == settings && now.Before(r.learning.again) {
		return false, nil
	}
	var learned []gateway.Warm
	if auto != nil {
		if learned, err = r.learn(ctx, e, auto, now); err != nil {
			return false, err
		}
	}
	r.learning = learning{settings, now.Add(learnEvery)}
	if len(learned) == 0 {
		r.learning.again = now.Add(learnSoon)
	}
	if reflect.DeepEqual(learned, g.Status.WarmLearned) {
		return false, nil
	}
	lines := make([]string, len(learned))
	for i := range learned {
		lines[i] = learned[i].String()
	}
	r.m.Logger.Info("learned which sessions to start ahead", zap.String("gateway", g.ID), zap.String("name", g.Ref()),
		zap.Strings("sessions", lines))
	_, err = r.update(ctx, func(g *gateway.Gateway) error { g.Status.WarmLearned = learned; return nil })
	if err != nil {
		r.learning = learning{} // it is tried again
	}
	return true, err
}

// learn returns the shapes among which the sessions of auto are divided.
func (r *reconciler) learn(ctx context.Context, e *Entry, auto *gateway.Warm, now time.Time) ([]gateway.Warm, error) {
	var records []*store.Record
	f := store.RecordFilter{From: now.Add(-warm.LearnDays * 24 * time.Hour)}
	for len(records) < maxLearned {
		page, _, err := r.m.Store.Records(ctx, e.Gateway.ID, f, int64(len(records)), learnPage)
		if err != nil {
			return nil, err
		}
		records = append(records, page...)
		if len(page) < learnPage {
			break
		}
	}
	others := make(map[string]bool)
	for i := range e.Gateway.Spec.Warm {
		if w := &e.Gateway.Spec.Warm[i]; w.Kind != gateway.WarmAuto {
			if _, shape, err := r.m.rule(e, w, shapeName); err == nil {
				others[shape] = true
			}
		}
	}
	asked := warm.Demand(records, now)
	for i := range asked {
		a := &asked[i]
		a.Warm.MaxAge = auto.MaxAge
		// A token with an identity or a queue of its own gets no warm session.
		s, shape, err := r.m.rule(e, &a.Warm, shapeName)
		if err == nil && s.result.Effective.ProxyUser == a.ProxyUser && s.result.Effective.Queue == a.Queue {
			a.Shape = shape
		}
	}
	return warm.Learn(auto.Count, asked, others), nil
}
