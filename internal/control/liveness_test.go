package control

import (
	"cmp"
	"context"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
	"github.com/livygateway/livygateway/upstream"
)

func setMute(r *fakeRuntime, mute bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mute = mute
}

// externalRuntime is a runtime whose servers somebody else runs.
type externalRuntime struct{ *fakeRuntime }

func (externalRuntime) Address(e gateway.Engine, _ int) (string, error) {
	return strings.TrimPrefix(e.URL, "http://"), nil
}

func TestSilentServer(t *testing.T) {
	const long = time.Hour
	for name, tt := range map[string]struct {
		external              bool
		url                   string // of the engine of an external server
		unresponsive, restart time.Duration
		wantUnresponsive      bool
		wantStarts            int
	}{
		"one missed answer":       {unresponsive: long, restart: long, wantStarts: 1},
		"unresponsive":            {unresponsive: time.Millisecond, restart: long, wantUnresponsive: true, wantStarts: 1},
		"never restarted":         {unresponsive: time.Millisecond, restart: -1, wantUnresponsive: true, wantStarts: 1},
		"restarted":               {unresponsive: time.Millisecond, restart: 100 * time.Millisecond, wantStarts: 2},
		"external, moved":         {external: true, url: "http://elsewhere", unresponsive: time.Millisecond, restart: -1, wantStarts: 2},
		"external, not restarted": {external: true, unresponsive: time.Millisecond, restart: 50 * time.Millisecond, wantUnresponsive: true, wantStarts: 1},
	} {
		t.Run(name, func(t *testing.T) {
			s, _ := storetest.Mini(t)
			fake := newFakeRuntime(t)
			var rt upstream.Runtime = fake
			if tt.external {
				rt = externalRuntime{fake}
			}
			m := testManager(t, s, rt)
			configure(m, func(s *Settings) { s.UnresponsiveAfter, s.RestartUnresponsive = tt.unresponsive, tt.restart })
			g := create(t, m, "etl", true)
			g = await(t, m, g.ID, "running", inState(gateway.StateRunning))
			if tt.external {
				configure(m, func(s *Settings) {
					s.Catalog.Engines = []gateway.Engine{
						{Name: "spark", Image: "x", URL: cmp.Or(tt.url, "http://"+g.Status.Address)},
					}
				})
			}
			setMute(fake, true)
			switch {
			case tt.wantUnresponsive:
				g = await(t, m, g.ID, "unresponsive", func(g *gateway.Gateway) bool {
					return !g.Status.UnresponsiveSince.IsZero()
				})
				if notes := strings.Join(m.Notes(g), "\n"); !strings.Contains(notes, "has not answered since") {
					t.Errorf("notes %q", notes)
				}
				e, err := m.Lookup("default", "etl")
				if err != nil {
					t.Fatal(err)
				}
				_, err = m.Ready(context.Background(), e, gateway.Origin{})
				if gateway.KindOf(err) != gateway.KindUnavailable || !strings.Contains(err.Error(), "has not answered since") {
					t.Errorf("request to a silent server: %v", err)
				}
			case tt.wantStarts > 1:
				await(t, m, g.ID, "the failure on record", func(g *gateway.Gateway) bool {
					return g.Status.LastFailure != nil && strings.Contains(g.Status.LastFailure.Reason, "has not answered since")
				})
			}
			time.Sleep(10 * m.PollInterval)
			setMute(fake, false)
			g = await(t, m, g.ID, "answering again", func(g *gateway.Gateway) bool {
				return g.Status.State == gateway.StateRunning && g.Status.UnresponsiveSince.IsZero()
			})
			if _, starts := fake.count(); starts != tt.wantStarts || g.Status.Epoch != int64(tt.wantStarts) {
				t.Errorf("%d starts, epoch %d; want %d", starts, g.Status.Epoch, tt.wantStarts)
			}
		})
	}
}

// TestFailuresAreStored keeps the reason and the pause of a failure where every instance
// reads them, until somebody asks for a start.
func TestFailuresAreStored(t *testing.T) {
	s, _ := storetest.Mini(t)
	fake := newFakeRuntime(t)
	fake.startErr = gateway.Errorf(gateway.KindInvalid, "no such image")
	m := testManagerWith(t, s, fake, func(o *Options) { o.MaxBackoff = time.Hour })
	g := create(t, m, "etl", true)
	g = await(t, m, g.ID, "three failures", func(g *gateway.Gateway) bool { return g.Status.Restarts == 3 })
	if f := g.Status.LastFailure; f == nil || !strings.Contains(f.Reason, "no such image") {
		t.Errorf("last failure %+v", f)
	}
	if pause := g.Status.NextStart.Sub(g.Status.LastFailure.Time); pause != 4*time.Second {
		t.Errorf("pause %s after the third failure, want 4 s", pause)
	}
	fake.mu.Lock()
	fake.startErr = nil
	fake.mu.Unlock()
	began := time.Now()
	if _, err := m.Start(context.Background(), g, gateway.By("ann")); err != nil {
		t.Fatal(err)
	}
	g = await(t, m, g.ID, "running", inState(gateway.StateRunning))
	if waited := time.Since(began); waited > 3*time.Second {
		t.Errorf("started %s after the order: it waited for the pause", waited)
	}
	if g.Status.HasFailed() {
		t.Errorf("failures still on record after a person's order: %+v", g.Status)
	}
}

func TestHealthForgetsFailures(t *testing.T) {
	s, _ := storetest.Mini(t)
	fake := newFakeRuntime(t)
	m := testManager(t, s, fake)
	g := create(t, m, "etl", true)
	await(t, m, g.ID, "running", inState(gateway.StateRunning))
	fake.crash(g.ID)
	await(t, m, g.ID, "restarted", func(g *gateway.Gateway) bool {
		return g.Status.State == gateway.StateRunning && g.Status.Epoch == 2 && g.Status.Restarts == 1 && g.Status.LastFailure != nil
	})
	_, err := m.change(context.Background(), "", store.Write{}, g.ID, func(g *gateway.Gateway) error {
		g.Status.Since = g.Status.Since.Add(-healthyAfter)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	await(t, m, g.ID, "failures forgotten", func(g *gateway.Gateway) bool { return !g.Status.HasFailed() })
}
