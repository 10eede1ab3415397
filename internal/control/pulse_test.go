package control

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
)

func TestPulse(t *testing.T) {
	start := time.Now()
	for name, tt := range map[string]struct {
		now  time.Time
		want int64
	}{
		"at once":                   {start, 0},
		"a late beat":               {start.Add(haltLimit), 0},
		"halted":                    {start.Add(haltLimit + 1), 1},
		"asleep":                    {start.Round(0).Add(time.Hour), 1}, // the wall clock alone
		"the clock was set back":    {start.Round(0).Add(-time.Hour), 0},
		"before the beat was noted": {start.Add(-time.Second), 0},
	} {
		p := new(pulse)
		if got := p.look(tt.now); got != 0 {
			t.Errorf("%s, before the first beat: %d halts", name, got)
		}
		p.last.Store(&start)
		if got := p.look(tt.now); got != tt.want {
			t.Errorf("%s: %d halts, want %d", name, got, tt.want)
		}
		if got := p.look(tt.now); got != tt.want {
			t.Errorf("%s: found twice", name)
		}
	}
}

func TestPulseBeats(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := new(pulse)
		ctx, cancel := context.WithCancel(t.Context())
		go p.run(ctx)
		time.Sleep(time.Hour)
		if got := p.look(time.Now()); got != 0 {
			t.Errorf("%d halts in an hour of life", got)
		}
		cancel()
		synctest.Wait()
		time.Sleep(time.Hour)
		if got := p.look(time.Now()); got != 0 {
			t.Errorf("%d halts after its end", got)
		}
	})
}

// TestAHaltedInstanceLooksAnew halts an instance while another one changes the
// gateway: before the first one sends anything anywhere it knows of that.
func TestAHaltedInstanceLooksAnew(t *testing.T) {
	ctx := context.Background()
	p := newPair(t)
	m := p.m[0]
	now := time.Now()
	m.pulse.last.Store(&now)
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
	halt := func() {
		before := time.Now().Add(-time.Minute)
		m.pulse.last.Store(&before)
	}
	halt()
	if err := m.StillAwake(ctx, old, number); err != nil {
		t.Errorf("halted while nothing changed: %v", err)
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
	halt()
	if err := m.StillAwake(ctx, old, number); gateway.KindOf(err) != gateway.KindUnavailable {
		t.Errorf("halted while the gateway was changed: %v", err)
	}
	if e, _ := m.Lookup("default", "etl"); !e.Gateway.Spec.Public {
		t.Error("the change is still not known")
	}
	halt()
	p.redis.SetError("LOADING")
	if _, err := m.Awake(ctx); gateway.KindOf(err) != gateway.KindUnavailable {
		t.Errorf("halted, and Redis is away: %v", err)
	}
	p.redis.SetError("")
	if number, err := m.Awake(ctx); err != nil || number != 3 {
		t.Errorf("Redis is back: number %d, %v", number, err)
	}
}
