package control

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
)

func TestStallDetector(t *testing.T) {
	start := time.Now()
	for name, tt := range map[string]struct {
		now  time.Time
		want int64
	}{
		"at once":                {start, 0},
		"a late check":           {start.Add(stallThreshold), 0},
		"stalled":                {start.Add(stallThreshold + 1), 1},
		"asleep":                 {start.Round(0).Add(time.Hour), 1}, // the wall clock alone
		"the clock was set back": {start.Round(0).Add(-time.Hour), 0},
		"before the last check":  {start.Add(-time.Second), 0},
	} {
		p := new(stallDetector)
		if got := p.check(tt.now); got != 0 {
			t.Errorf("%s, before the first check: %d stalls", name, got)
		}
		p.last.Store(&start)
		if got := p.check(tt.now); got != tt.want {
			t.Errorf("%s: %d stalls, want %d", name, got, tt.want)
		}
		if got := p.check(tt.now); got != tt.want {
			t.Errorf("%s: found twice", name)
		}
	}
}

func TestStallDetectorRuns(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := new(stallDetector)
		ctx, cancel := context.WithCancel(t.Context())
		go p.run(ctx)
		time.Sleep(time.Hour)
		if got := p.check(time.Now()); got != 0 {
			t.Errorf("%d stalls in an hour of life", got)
		}
		cancel()
		synctest.Wait()
		time.Sleep(time.Hour)
		if got := p.check(time.Now()); got != 0 {
			t.Errorf("%d stalls after its end", got)
		}
	})
}

// TestAStalledInstanceReadsAgain stalls an instance while another one changes the
// gateway: the first one learns of the change before it sends anything.
func TestAStalledInstanceReadsAgain(t *testing.T) {
	ctx := context.Background()
	p := newPair(t)
	m := p.m[0]
	now := time.Now()
	m.stalls.last.Store(&now)
	if err := m.refreshAll(ctx); err != nil {
		t.Fatal(err)
	}
	number, err := m.Awake(ctx)
	if err != nil {
		t.Fatal(err)
	}
	old, err := m.Lookup("default", "etl")
	if err != nil {
		t.Fatal(err)
	}
	stall := func() {
		before := time.Now().Add(-time.Minute)
		m.stalls.last.Store(&before)
	}
	stall()
	if err := m.StillAwake(ctx, old, number); err != nil {
		t.Errorf("stalled while nothing changed: %v", err)
	}
	g, err := p.m[1].Store.Gateway(ctx, p.id)
	if err == nil {
		_, err = p.m[1].Update(ctx, g, UpdateRequest{Patch: []byte(`{"public":true}`)})
	}
	if err != nil {
		t.Fatal(err)
	}
	if number, err = m.Awake(ctx); err != nil || number != 1 {
		t.Errorf("number %d, %v", number, err)
	}
	if e, _ := m.Lookup("default", "etl"); e.Gateway.Spec.Public {
		t.Fatal("it hears of changes by itself: this shows nothing")
	}
	stall()
	if err := m.StillAwake(ctx, old, number); gateway.KindOf(err) != gateway.KindUnavailable {
		t.Errorf("stalled while the gateway was changed: %v", err)
	}
	if e, _ := m.Lookup("default", "etl"); !e.Gateway.Spec.Public {
		t.Error("the change is still not known")
	}
	stall()
	p.redis.SetError("LOADING")
	if _, err := m.Awake(ctx); gateway.KindOf(err) != gateway.KindUnavailable {
		t.Errorf("stalled, and Redis is away: %v", err)
	}
	p.redis.SetError("")
	if number, err := m.Awake(ctx); err != nil || number != 3 {
		t.Errorf("Redis is back: number %d, %v", number, err)
	}
}
