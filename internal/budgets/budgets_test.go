package budgets_test

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/budgets"
	"github.com/livygateway/livygateway/internal/eventually"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/sessions"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
	"github.com/livygateway/livygateway/policies"
)

// TestABudgetOverTwoInstances follows what is reserved, runs, ends and is refused. The instances'
// clocks differ by some seconds.
func TestABudgetOverTwoInstances(t *testing.T) {
	s, _ := storetest.Mini(t)
	a, b := newInstance(t, s, noon, people()), newInstance(t, s, noon.Add(-5*time.Second), people())
	first, id, err := a.begin("lctk-1", "ann")
	if err != nil || len(first.Reached) != 0 {
		t.Fatal(first, err)
	}
	a.confirm(first, 0)
	a.poll(id + "=running")
	a.clock.pass(42 * time.Minute)
	b.clock.pass(42 * time.Minute)
	// 0.7 hours run, the new one reserves 0.1.
	second, _, err := b.begin("lctk-2", "ann")
	if err != nil || len(second.Reached) != 1 {
		t.Fatalf("%v, %+v", err, second)
	}
	header := b.Began(second.Reached)
	if want := `"people";per=user;period=month;resource=vcore_hours;used=0.799;soft=0.5;hard=1;reset="2026-12-01T00:00:00Z"`; header != want {
		t.Errorf("header %s, want %s", header, want)
	}
	second.NotSent(t.Context())
	a.clock.pass(13 * time.Minute) // 55 minutes
	_, _, err = a.begin("lctk-1", "ann")
	var over *budgets.ExceededError
	if !errors.As(err, &over) {
		t.Fatalf("a create above the hard bound: %v", err)
	}
	if over.Budget != "people" || over.Period != "month" || over.Resource != "vcore_hours" || over.Limit != 1 ||
		over.Used < 1.016 || over.Used > 1.017 || !over.Reset.Equal(time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC)) ||
		gateway.KindOf(err) != gateway.KindLimited || over.Wait != over.Reset.Sub(a.clock.Now()) {
		t.Errorf("%+v", over)
	}
	if _, _, err := a.begin("lctk-3", "bob"); err != nil {
		t.Errorf("another user: %v", err)
	}
	a.poll(id + "=success")
	if got := a.spent("2026-11", "ann"); got != 55*60 {
		t.Errorf("settled %v, want %d", got, 55*60)
	}
	if day, other := a.spent("2026-11-26", "ann"), a.spent("2026-11-25", "ann"); day != 55*60 || other != 0 {
		t.Errorf("by day: %v and %v", day, other)
	}
	// The next month is another one.
	a.clock.set(time.Date(2026, 12, 1, 0, 0, 0, 0, time.UTC))
	if _, _, err := a.begin("lctk-1", "ann"); err != nil {
		t.Errorf("in December: %v", err)
	}
	if n := a.Refusals()[[2]string{"budget", "people"}]; n != 1 {
		t.Errorf("%d refusals", n)
	}
}

// TestWhatLivesCountsFromTheBeginOfThePeriod checks the accrual over midnight, and that the parts
// of both days are settled.
func TestWhatLivesCountsFromTheBeginOfThePeriod(t *testing.T) {
	s, _ := storetest.Mini(t)
	i := newInstance(t, s, time.Date(2026, 11, 30, 23, 30, 0, 0, time.UTC), people(func(b *budgets.Budget) { b.Period = "day" }))
	c, id, err := i.begin("lctk-1", "ann")
	if err != nil {
		t.Fatal(err)
	}
	i.confirm(c, 0)
	i.poll(id + "=running")
	i.clock.pass(50 * time.Minute) // 20 minutes of the new day
	all, err := i.Current(t.Context())
	if err != nil || len(all) != 1 || all[0].Used.MilliCPUSeconds != 20*60*1000 || all[0].Span.Name != "2026-12-01" {
		t.Errorf("%+v %v", all, err)
	}
	if _, _, err := i.begin("lctk-1", "ann"); err != nil {
		t.Errorf("20 minutes and 6 of an hour: %v", err)
	}
	i.poll(id + "=success")
	for period, want := range map[string]float64{"2026-11-30": 1800, "2026-12-01": 1200, "2026-11": 1800, "2026-12": 1200} {
		if got := i.spent(period, "ann"); got != want {
			t.Errorf("%s: %v, want %v", period, got, want)
		}
	}
}

// TestEndsSettleOnce checks every way in which a create ends: what was reserved is given back, and
// only what ran counts.
func TestEndsSettleOnce(t *testing.T) {
	for name, tt := range map[string]struct {
		end  func(*instance, *sessions.Create, string)
		want float64
	}{
		"Livy refuses it":   {func(i *instance, c *sessions.Create, _ string) { c.NotSent(i.t.Context()) }, 0},
		"Livy fails":        {func(i *instance, c *sessions.Create, _ string) { c.Failed(i.t.Context(), "Livy answered 500") }, 0},
		"the reply is lost": {func(i *instance, _ *sessions.Create, _ string) { i.clock.pass(3 * time.Minute); i.poll() }, 0},
		"it is lost": {func(i *instance, c *sessions.Create, id string) {
			i.confirm(c, 0)
			i.poll(id + "=running")
			i.clock.pass(10 * time.Minute)
			i.poll()
			i.poll()
		}, 600},
		"its server ends": {func(i *instance, c *sessions.Create, id string) {
			i.confirm(c, 0)
			i.poll(id + "=running")
			i.clock.pass(10 * time.Minute)
			for range 2 {
				if err := i.ledger.ServerEnded(i.t.Context(), store.Fence{}, i.g, "ended"); err != nil {
					i.t.Fatal(err)
				}
			}
		}, 600},
		"it is deleted and seen": {func(i *instance, c *sessions.Create, id string) {
			i.confirm(c, 0)
			i.poll(id + "=running")
			i.clock.pass(10 * time.Minute)
			i.ledger.Deleted(i.t.Context(), i.g, livy.KindBatch, 0, "ann")
			i.poll(id + "=killed")
		}, 600},
		"the clock goes back": {func(i *instance, c *sessions.Create, id string) {
			i.confirm(c, 0)
			i.poll(id + "=running")
			i.clock.pass(-time.Hour)
			i.poll(id + "=success")
		}, 0},
	} {
		t.Run(name, func(t *testing.T) {
			s, mini := storetest.Mini(t)
			i := newInstance(t, s, noon, people())
			c, id, err := i.begin("lctk-1", "ann")
			if err != nil {
				t.Fatal(err)
			}
			if n, _ := mini.HKeys("livygw:held:user:ann"); len(n) != 1 {
				t.Errorf("reserved: %v", n)
			}
			tt.end(i, c, id)
			if n, _ := mini.HKeys("livygw:held:user:ann"); len(n) != 0 {
				t.Errorf("still reserved: %v", n)
			}
			if got := i.spent("2026-11", "ann"); got != tt.want {
				t.Errorf("settled %v, want %v", got, tt.want)
			}
			rows, err := i.ledger.Usage(t.Context(), i.g.ID, "", "")
			if err != nil {
				t.Fatal(err)
			}
			sum := 0.0
			for _, u := range rows {
				sum += u.VCoreHours * 3600
			}
			if fmt.Sprintf("%.3f", sum) != fmt.Sprintf("%.3f", tt.want) {
				t.Errorf("usage %v, want %v", sum, tt.want)
			}
		})
	}
}

// TestManyCreatesAtOnce checks that two instances together let no more pass than the budget has
// reservations for, and count repeated creates once.
func TestManyCreatesAtOnce(t *testing.T) {
	s, server := storetest.Real(t)
	other := storetest.Open(t, store.Options{Addrs: []string{server.Addr()}})
	instances := []*instance{newInstance(t, s, noon, people()), newInstance(t, other, noon, people())}
	var wg sync.WaitGroup
	var mu sync.Mutex
	begun, refused := 0, 0
	for n := range 40 {
		wg.Go(func() {
			_, _, err := instances[n%2].begin(fmt.Sprint("lctk-", n), "ann")
			mu.Lock()
			defer mu.Unlock()
			var over *budgets.ExceededError
			switch {
			case err == nil:
				begun++
			case errors.As(err, &over):
				refused++
			default:
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if begun != 10 || refused != 30 { // an hour in reservations of 6 minutes
		t.Errorf("%d begun, %d refused; want 10 and 30", begun, refused)
	}
}

// TestRepeatsCountOnce checks idempotent creates.
func TestRepeatsCountOnce(t *testing.T) {
	s, mini := storetest.Mini(t)
	i := newInstance(t, s, noon, people())
	repeat := func(in *sessions.Intent) { in.Repeat = &sessions.Repeat{Key: "k", Body: "b"} }
	c, _, err := i.begin("lctk-1", "ann", repeat)
	if err != nil {
		t.Fatal(err)
	}
	i.confirm(c, 0)
	var again *sessions.RepeatedError
	if _, _, err := i.begin("lctk-1", "ann", repeat); !errors.As(err, &again) {
		t.Errorf("a repetition: %v", err)
	}
	if n, _ := mini.HKeys("livygw:held:user:ann"); len(n) != 1 {
		t.Errorf("reserved: %v", n)
	}
}

// TestQuotas checks what a user may start, and how much.
func TestQuotas(t *testing.T) {
	s, _ := storetest.Mini(t)
	i := newInstance(t, s, noon, budgets.Settings{Quotas: []budgets.Quota{{
		Name: "small", Match: []string{"a*"}, MaxBatches: 2, DriverMemory: "2g", DriverCores: 2, ExecutorMemory: "1g", ExecutorCores: 1, MaxExecutors: 3,
	}}})
	for n := range 2 {
		if _, _, err := i.begin(fmt.Sprint("lctk-", n), "ann"); err != nil {
			t.Fatal(err)
		}
	}
	_, _, err := i.begin("lctk-9", "ann")
	if gateway.KindOf(err) != gateway.KindLimited || !strings.Contains(err.Error(), "user ann is limited to 2 batches at a time, by the quota small") {
		t.Errorf("a third batch: %v", err)
	}
	if _, _, err := i.begin("lctk-9", "bob"); err != nil {
		t.Errorf("a user without a quota: %v", err)
	}
	for name, tt := range map[string]struct {
		e     policies.Effective
		field string
	}{
		"fits":              {policies.Effective{DriverMemory: "2048m", DriverCores: 2, ExecutorMemory: "1g", ExecutorCores: 1, NumExecutors: 3, MostExecutors: 3}, ""},
		"driver memory":     {policies.Effective{DriverMemory: "3g"}, "driverMemory"},
		"driver cores":      {policies.Effective{DriverCores: 3}, "driverCores"},
		"executor memory":   {policies.Effective{ExecutorMemory: "1025m"}, "executorMemory"},
		"executor cores":    {policies.Effective{ExecutorCores: 2}, "executorCores"},
		"executors":         {policies.Effective{NumExecutors: 1, MostExecutors: 4}, "numExecutors"},
		"as many as it can": {policies.Effective{MostExecutors: math.MaxInt32}, "numExecutors"},
		"up to three":       {policies.Effective{MostExecutors: 3}, ""},
	} {
		_, err := i.Limits(&budgets.Create{Gateway: i.g, Kind: "session", User: "ann", Effective: &tt.e})
		e, _ := errors.AsType[*gateway.Error](err)
		if (err == nil) != (tt.field == "") || err != nil && (e.Field != tt.field || !strings.Contains(e.Rule, "by the quota small")) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// TestRecount checks that lost sums and those of an earlier version come from the gateways' sums,
// and never fall.
func TestRecount(t *testing.T) {
	s, mini := storetest.Mini(t)
	i := newInstance(t, s, noon, people())
	i.tokens["lctk-1"] = budgets.Token{Name: "nightly", User: "ann"}
	c, id, err := i.begin("lctk-1", "ann")
	if err != nil {
		t.Fatal(err)
	}
	i.confirm(c, 0)
	d, other, err := i.begin("lctk-1", "ann")
	if err != nil {
		t.Fatal(err)
	}
	i.confirm(d, 1)
	i.poll(id+"=running", other+"=running")
	i.clock.pass(20 * time.Minute)
	i.poll(id+"=success", other+"=running")
	for _, key := range []string{"spent:2026-11", "spent:2026-11-26", "held:user:ann", "token-users"} {
		mini.Del("livygw:" + key)
	}
	for range 2 {
		if err := i.Recount(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if got := i.spent("2026-11", "ann"); got != 1200 {
		t.Errorf("the month: %v", got)
	}
	if got := i.spent("2026-11-26", "ann"); got != 1200 {
		t.Errorf("the day: %v", got)
	}
	if n, _ := mini.HKeys("livygw:held:user:ann"); len(n) != 1 || n[0] != other {
		t.Errorf("lives: %v", n)
	}
	// Users are noted for tokens that there are, that something lives of, and that were used.
	mini.HSet("livygw:token-users", "lctk-1", "ann", "lctk-gone", "bob")
	delete(i.tokens, "lctk-1")
	if err := i.Recount(t.Context()); err != nil {
		t.Fatal(err)
	}
	if noted, _ := mini.HKeys("livygw:token-users"); len(noted) != 1 || noted[0] != "lctk-1" {
		t.Errorf("users are noted of %v", noted)
	}
	mini.Del("livygw:usage:lc-1") // as with a gateway that was deleted
	if err := i.Recount(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got := i.spent("2026-11", "ann"); got != 1200 {
		t.Errorf("after the gateway is gone: %v", got)
	}
}

// TestWatch checks that bounds which running batches reach are reported, and that they are
// stopped where the budget says so.
func TestWatch(t *testing.T) {
	for _, onExceed := range []string{"refuse", "stop"} {
		s, _ := storetest.Mini(t)
		i := newInstance(t, s, noon, people(func(b *budgets.Budget) { b.OnExceed = onExceed }))
		i.Interval = time.Millisecond
		c, id, err := i.begin("lctk-1", "ann")
		if err != nil {
			t.Fatal(err)
		}
		i.confirm(c, 0)
		i.poll(id + "=running")
		i.clock.pass(61 * time.Minute)
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		wg.Go(func() { i.Run(ctx) })
		eventually.True(t, time.Minute, "both bounds being reported", func() bool {
			i.mu.Lock()
			defer i.mu.Unlock()
			return len(i.breaches) >= 2 && (onExceed != "stop" || len(i.stopped) > 0)
		})
		cancel()
		wg.Wait()
		if soft, hard := i.breaches[0], i.breaches[1]; soft.Hard || !hard.Hard || soft.Limit != 0.5 || hard.Limit != 1 || hard.Label != "ann" ||
			!strings.HasPrefix(hard.Text(), "user ann has reached the hard bound of the budget people: 1.017 of 1 vcore-hours a month") {
			t.Errorf("%+v, %+v: %s", soft, hard, hard.Text())
		}
		if (len(i.stopped) > 0) != (onExceed == "stop") {
			t.Errorf("%s: stopped %v", onExceed, i.stopped)
		}
	}
}

func TestValidate(t *testing.T) {
	valid := people().Budgets[0]
	for rule, change := range map[string]func(*budgets.Budget){
		"1 to 63 letters":     func(b *budgets.Budget) { b.Name = "a b" },
		"must be one of user": func(b *budgets.Budget) { b.Per = "team" },
		"day or month":        func(b *budgets.Budget) { b.Period = "week" },
		"refuse or stop":      func(b *budgets.Budget) { b.OnExceed = "kill" },
		"from 0s to 24h":      func(b *budgets.Budget) { b.Reserve = "2d" },
		"must not be above":   func(b *budgets.Budget) { b.VCoreHours.Soft = 2 },
		"needs a bound":       func(b *budgets.Budget) { b.VCoreHours = budgets.Bounds{} },
		"needs a hard bound":  func(b *budgets.Budget) { b.VCoreHours.Hard, b.OnExceed = 0, "stop" },
	} {
		b := valid
		change(&b)
		if err := (&budgets.Settings{Budgets: []budgets.Budget{b}}).Validate(); err == nil || !strings.Contains(err.Error(), rule) {
			t.Errorf("%v, want %q", err, rule)
		}
	}
	if err := (&budgets.Settings{Budgets: []budgets.Budget{valid, valid}}).Validate(); err == nil {
		t.Error("two budgets of one name")
	}
}
