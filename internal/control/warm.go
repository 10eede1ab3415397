package control

import (
	"context"
	"errors"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/warm"
	"github.com/livygateway/livygateway/policies"
	"github.com/livygateway/livygateway/upstream"
)

// warmth is what a reconciler keeps of the sessions that it starts ahead.
type warmth struct {
	epoch    int64
	touched  map[string]time.Time // when a session was last kept from its timeouts, by id
	failures int
	again    time.Time // when the next one is started after a failure
	// known are the sessions that could be handed over at the last look, by id.
	known map[string]bool
}

// WarmNote returns why a gateway has fewer warm sessions than are wanted, or "". Only the instance
// that supervises the gateway knows it.
func (m *Manager) WarmNote(id string) string {
	note, _ := m.warmNotes.Load(id)
	text, _ := note.(string)
	return text
}

// WarmCount is the number of warm sessions of a gateway in a state.
type WarmCount map[store.WarmState]int

// WarmCounts returns the numbers of warm sessions of a gateway that this instance supervises.
func (m *Manager) WarmCounts(id string) WarmCount {
	counts, _ := m.warmCounts.Load(id)
	c, _ := counts.(WarmCount)
	return c
}

// warmShape is a shape of which sessions are kept ready.
type warmShape struct {
	spec   *gateway.Warm
	result policies.Result
	policy *policies.Policy
}

// Per-session requests that keep warm sessions from Livy's timeouts.
const (
	touchInterval      = time.Minute
	warmCreateTimeout  = 20 * time.Second
	warmRequestTimeout = 5 * time.Second
	// warmBackoff is the pause after the first session that failed; it doubles.
	// warmPause is the pause after a hand-over: the first statement of a client should not share the
	// cores of a small gateway with a start.
	warmPause                   = 4 * time.Second
	warmBackoff, maxWarmBackoff = 10 * time.Second, 5 * time.Minute
)

// SessionConf returns the settings that the gateway adds to each session and batch, whose Spark UI
// is below ui ("": it is not shown).
func (m *Manager) SessionConf(ui string) map[string]string {
	conf := make(map[string]string)
	if ui != "" {
		maps.Copy(conf, policies.SparkUIConf(ui))
	}
	maps.Copy(conf, m.Settings().OpenLineage.Conf())
	return conf
}

// ServesSparkUI reports whether the gateway shows the Spark UIs of jobs under a policy, with Livy
// servers of a runtime.
func (m *Manager) ServesSparkUI(rt upstream.Runtime, g *gateway.Gateway, p *policies.Policy) bool {
	_, beside := rt.(upstream.DriverHoster)
	return beside && p.DriversHere() || m.yarnConf(g) != "" || m.RunsPods(g) || m.History() != nil
}

func (m *Manager) yarnConf(g *gateway.Gateway) string {
	c, ok := m.Catalog().Cluster(g.InForce().Cluster)
	if !ok || !strings.HasPrefix(c.Master, "yarn") {
		return ""
	}
	return c.ConfDir
}

// rule applies the gateway's policy to the create of a warm session with an id. It returns the
// shape of the result.
func (m *Manager) rule(e *Entry, w *gateway.Warm, id string) (s warmShape, shape string, err error) {
	s.spec = w
	if e.resolution.inForce.LoginNeeded {
		return s, "", gateway.Invalid("warm", w.Kind, "cannot be started ahead where Livy wants logins: it would belong to the gateway's user")
	}
	if s.policy, err = e.PolicyFor("", ""); err != nil {
		return s, "", err
	}
	if len(s.policy.JobLabels(id, "")) > 0 {
		return s, "", gateway.Invalid("warm", w.Kind, "cannot be started ahead on Kubernetes: the pods of a job have the labels of its token")
	}
	body, err := w.Request(id)
	if err != nil {
		return s, "", err
	}
	s.result, err = s.policy.Create(livy.KindSession, "", "application/json", strings.NewReader(string(body)))
	if err != nil {
		return s, "", err
	}
	if s.result.Effective.Name != id {
		return s, "", gateway.Invalid("warm", w.Kind, "cannot be started ahead: a rule of the policy sets the name")
	}
	if w.TTL != "" && !idleTTL(e.Gateway.Status.LivyVersion) {
		return s, "", gateway.Invalid("warm.ttl", w.TTL, "bounds the age of a session in this version of Livy: leave it out")
	}
	ui := ""
	if m.ServesSparkUI(m.Runtime, e.Gateway, s.policy) {
		ui = e.Gateway.SparkUI(id)
	}
	conf := m.SessionConf(ui)
	shape, err = s.result.Shape(conf)
	if err != nil || shape == "" {
		return s, "", err
	}
	return s, shape, s.result.Complete(id, conf)
}

// idleTTL reports whether ttl is the idle time of a session in a version of Livy.
func idleTTL(version string) bool {
	return strings.HasPrefix(version, "0.7.") || strings.HasPrefix(version, "0.8.")
}

// keepWarm takes the next step towards the sessions that the gateway is to have ready. It returns
// the pause until the next one, 0 if there is no need for one of its own.
func (r *reconciler) keepWarm(ctx context.Context, g *gateway.Gateway) (time.Duration, error) {
	m := r.m
	e := r.entry()
	if !g.Status.Warmed && len(g.Spec.Warm) == 0 || e == nil || e.Gateway.Revision != g.Revision {
		return 0, nil
	}
	if !g.Status.Warmed {
		// Other instances must know it before the first session is there.
		_, err := r.update(ctx, func(g *gateway.Gateway) error { g.Status.Warmed = true; return nil })
		return stepGap, err
	}
	if changed, err := r.learnWarm(ctx, g, e); changed || err != nil {
		return stepGap, err
	}
	if r.warmth.epoch != g.Status.Epoch {
		r.warmth = warmth{epoch: g.Status.Epoch, touched: make(map[string]time.Time)}
	}
	entries, err := m.Store.Warm(ctx, g.ID)
	if err != nil {
		return 0, err
	}
	if len(entries) == 0 && len(g.Spec.Warm) == 0 {
		m.noteWarm(g.ID, nil, "")
		return 0, nil
	}
	listing, cancel := context.WithTimeout(ctx, pollTimeout)
	defer cancel()
	listed, err := m.Livy(g).Sessions(listing)
	if err != nil {
		return 0, err
	}
	byName := make(map[string]*livy.Session, len(listed))
	for i := range listed {
		byName[listed[i].Name] = &listed[i]
	}
	wanted, specs, note := r.wantedWarm(e)
	have := make([]warm.Session, len(entries))
	byID := make(map[string]*store.Warm, len(entries))
	for i, w := range entries {
		have[i] = warm.Session{
			ID: w.ID, Shape: w.Shape, Current: w.Epoch == g.Status.Epoch, Ending: w.State == store.WarmEnding,
			Created: w.Created, Expires: w.Expires, MemoryMB: w.MemoryMB,
		}
		byID[w.ID] = w
		if s := byName[w.ID]; s != nil && have[i].Current {
			have[i].State = s.State
			if err := r.noteState(ctx, w, s); err != nil {
				return 0, err
			}
		}
	}
	for id := range r.warmth.known {
		if byID[id] == nil {
			r.warmth.again = later(r.warmth.again, m.Now().Add(warmPause))
		}
	}
	free, bounded, err := r.freeMemory(ctx, g)
	if err != nil {
		return 0, err
	}
	plan := warm.Next(wanted, have, m.Now(), free, bounded)
	for _, end := range plan.End {
		if end.Reason == warm.ReasonFailed {
			r.warmth.fail(m.Now())
		}
		if err := r.endWarm(ctx, g, byID[end.ID], end.Reason); err != nil {
			return 0, err
		}
		delete(byID, end.ID)
	}
	r.touchWarm(ctx, g, specs, byID)
	pause := time.Duration(0)
	if plan.NoRoom {
		note = "a session that is to be started ahead does not fit into the gateway's memory"
	}
	if plan.Start >= 0 && !m.Now().Before(r.warmth.again) {
		w, err := r.startWarm(ctx, g, e, wanted[plan.Start], specs[plan.Start])
		if err != nil {
			note = "a session cannot be started ahead: " + gateway.MaskSecrets(err.Error())
			if errors.Is(err, store.ErrFenced) {
				return 0, err
			}
			r.warmth.fail(m.Now())
		} else {
			byID[w.ID] = w
		}
	} else if plan.Start >= 0 {
		pause = stepGap
	}
	if r.warmth.failures > 0 && plan.Missing > 0 && note == "" {
		note = "sessions that were started ahead failed; the next one is started at " + r.warmth.again.UTC().Format(time.RFC3339)
	}
	counts := WarmCount{}
	r.warmth.known = make(map[string]bool)
	for id, w := range byID {
		r.warmth.known[id] = w.State == store.WarmIdle
		counts[w.State]++
		if w.State == store.WarmStarting {
			pause = stepGap
		}
	}
	m.noteWarm(g.ID, counts, note)
	return pause, nil
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

func (w *warmth) fail(now time.Time) {
	w.again = now.Add(min(maxWarmBackoff, warmBackoff<<min(10, w.failures)))
	w.failures++
}

func (m *Manager) noteWarm(id string, counts WarmCount, note string) {
	m.warmCounts.Store(id, counts)
	m.warmNotes.Store(id, note)
}

// shapeName stands for the name of a session where only its shape is of interest.
const shapeName = "livy-shape"

// wantedWarm returns the shapes of the gateway's settings, and those that it has learned, that its
// policy lets pass.
func (r *reconciler) wantedWarm(e *Entry) (wanted []warm.Wanted, specs []*gateway.Warm, note string) {
	settings := e.Gateway.Spec.Warm
	all := slices.Concat(settings, e.Gateway.Status.WarmLearned)
	for i := range all {
		w := &all[i]
		if w.Kind == gateway.WarmAuto {
			if len(e.Gateway.Status.WarmLearned) == 0 {
				note = noteNothingLearned
			}
			continue
		}
		s, shape, err := r.m.rule(e, w, shapeName)
		switch {
		case i >= len(settings) && (err != nil || shape == ""):
			// It is not learned again.
		case err != nil:
			note = "sessions of " + w.Kind + " cannot be started ahead: " + gateway.MaskSecrets(err.Error())
		case shape == "":
			note = "sessions of " + w.Kind + " cannot be started ahead: their size is not clear"
		default:
			_, memory := s.policy.Takes(&s.result.Effective)
			wanted = append(wanted, warm.Wanted{Shape: shape, Count: w.Count, MemoryMB: memory})
			specs = append(specs, w)
		}
	}
	return wanted, specs, note
}
