// Package upstreamtest holds the contract of upstream.Runtime as a test suite
// that every runtime runs, and a stand-in for a Livy server.
package upstreamtest

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/upstream"
)

// Harness is one runtime under test.
type Harness struct {
	// New returns a runtime over the same state each time, as a gateway process
	// that was started again would make it.
	New func(t *testing.T) upstream.Runtime
	// Engine is an engine that starts.
	Engine gateway.Engine
	// Broken are engines that cannot start, by what is wrong with them.
	Broken map[string]gateway.Engine
	// Version is what the server answers; empty means any.
	Version string
	// Foreign reports that somebody else starts and stops the server, so that it
	// outlives Stop and has no log here.
	Foreign bool
	// Fake reports that the server is fakelivy and crashes when told.
	Fake bool
	// Patience bounds the wait for a server; default 20 s.
	Patience time.Duration
}

// Ids of this run alone: another run, or one that was killed, uses others.
var (
	gatewayID = fmt.Sprintf("lc-conformance-%d-1", os.Getpid())
	otherID   = fmt.Sprintf("lc-conformance-%d-2", os.Getpid())
)

// launch is a Launch of the harness's engine.
func (h Harness) launch(t *testing.T, id string) upstream.Launch {
	t.Helper()
	spec := gateway.Spec{Name: "conformance", CPU: 1, Memory: "4Gi", Engine: h.Engine.Name}
	files := upstream.RenderConf(upstream.ConfInput{Master: "local[1]"})
	return upstream.Launch{
		GatewayID: id, Workspace: "default", Name: spec.Name, CPU: spec.CPU,
		Memory: spec.MemoryBytes(), Engine: h.Engine, Files: files,
		Env: map[string]string{"CONFORMANCE": "yes"},
	}
}

// Suite checks that a runtime keeps the contract of upstream.Runtime.
func Suite(t *testing.T, h Harness) {
	if h.Patience == 0 {
		h.Patience = 20 * time.Second
	}
	tests := []struct {
		name  string
		owned bool // needs a server of the runtime's own
		fake  bool // needs fakelivy
		run   func(*testing.T, Harness)
	}{
		{"starts, is found, is listed, stops", false, false, lifecycle},
		{"a second start is a conflict", false, false, startTwice},
		{"who is late disturbs no successor", false, false, late},
		{"what is not confirmed does not start", false, false, unconfirmed},
		{"stopping what does not exist is no error", false, false, stopNothing},
		{"two gateways do not disturb each other", false, false, twoGateways},
		{"two servers of one gateway do not disturb each other", false, false, sideBySide},
		{"a broken engine leaves nothing behind", false, false, brokenEngine},
		{"a later process finds, reads and stops it", true, false, foundAgain},
		{"each start is another instance", true, false, newInstance},
		{"logs are readable after the stop", true, false, logsAfterStop},
		{"what a server uses is known", true, false, metered},
		{"archives are unpacked where jobs run", true, true, unpacked},
		{"an archive that is no archive leaves nothing behind", true, false, brokenArchive},
		{"a crash is seen and can be started over", true, true, crash},
		{"one that dies at once says why", true, true, diesAtStart},
		{"one that does not listen to TERM is killed", true, true, deaf},
	}
	for _, tt := range tests {
		if tt.owned && h.Foreign || tt.fake && !h.Fake {
			continue
		}
		t.Run(tt.name, func(t *testing.T) { tt.run(t, h) })
	}
}

// start starts a gateway that is stopped when the test ends, and waits for it.
func start(t *testing.T, h Harness, rt upstream.Runtime, l upstream.Launch) upstream.Instance {
	t.Helper()
	inst, err := rt.Start(t.Context(), l)
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	stopAtEnd(t, rt, l.ServerID())
	ready(t, h, rt, inst)
	return inst
}

func stopAtEnd(t *testing.T, rt upstream.Runtime, id string) {
	t.Helper()
	t.Cleanup(func() {
		if err := rt.Stop(context.Background(), id, upstream.AnyEpoch); err != nil {
			t.Errorf("Stop at the end: %v", err)
		}
		if f, ok := rt.(upstream.Forgetter); ok {
			if err := f.Forget(context.Background(), id); err != nil {
				t.Errorf("Forget at the end: %v", err)
			}
		}
	})
}

func ready(t *testing.T, h Harness, rt upstream.Runtime, inst upstream.Instance) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), h.Patience)
	defer cancel()
	version, err := WaitReady(ctx, rt, inst)
	if err != nil {
		t.Fatalf("WaitReady: %v", err)
	}
	if version == "" || !upstream.Satisfies(version, h.Version) {
		t.Fatalf("the server is version %q, not %s", version, h.Version)
	}
}

func mustFind(t *testing.T, rt upstream.Runtime, id string, want bool) upstream.Instance {
	t.Helper()
	inst, ok, err := rt.Find(t.Context(), id)
	if err != nil || ok != want {
		t.Fatalf("Find = %+v, %v, %v; want found %v", inst, ok, err, want)
	}
	return inst
}

func listed(t *testing.T, rt upstream.Runtime) []string {
	t.Helper()
	all, err := rt.List(t.Context())
	if err != nil {
		t.Fatalf("List: %v", err)
	}
	var ids []string
	for _, inst := range all {
		ids = append(ids, inst.ServerID())
	}
	slices.Sort(ids)
	return ids
}

func answers(address string) bool {
	_, err := upstream.GetVersion(context.Background(), address)
	return err == nil
}

func lifecycle(t *testing.T, h Harness) {
	rt := h.New(t)
	began := time.Now().Add(-2 * time.Second)
	inst := start(t, h, rt, h.launch(t, gatewayID))
	found := mustFind(t, rt, gatewayID, true)
	if found != inst || !found.Running || found.Exit != "" || found.ID == "" || found.GatewayID != gatewayID {
		t.Errorf("Find = %+v, Start returned %+v", found, inst)
	}
	if found.Started.Before(began) || found.Started.After(time.Now().Add(2*time.Second)) {
		t.Errorf("Started = %v, now is %v", found.Started, time.Now())
	}
	if ids := listed(t, rt); !slices.Equal(ids, []string{gatewayID}) {
		t.Errorf("List = %v", ids)
	}
	if err := rt.Stop(t.Context(), gatewayID, upstream.AnyEpoch); err != nil {
		t.Fatalf("Stop: %v", err)
	}
	mustFind(t, rt, gatewayID, false)
	if ids := listed(t, rt); len(ids) != 0 {
		t.Errorf("List after Stop = %v", ids)
	}
	if up := answers(inst.Address); up != h.Foreign {
		t.Errorf("the server answers after Stop: %v", up)
	}
}

func startTwice(t *testing.T, h Harness) {
	rt := h.New(t)
	l := h.launch(t, gatewayID)
	inst := start(t, h, rt, l)
	if _, err := rt.Start(t.Context(), l); gateway.KindOf(err) != gateway.KindConflict {
		t.Fatalf("second Start: %v; want a conflict", err)
	}
	if now := mustFind(t, rt, gatewayID, true); now != inst || !answers(inst.Address) {
		t.Errorf("the second Start disturbed the first: %+v, was %+v", now, inst)
	}
}

// late is what a process does that lost the gateway and does not know it yet.
func late(t *testing.T, h Harness) {
	rt := h.New(t)
	l := h.launch(t, gatewayID)
	l.Epoch = 2
	inst := start(t, h, rt, l)
	other := h.New(t)
	if h.Foreign {
		other = rt
	}
	if err := other.Stop(t.Context(), gatewayID, 1); err != nil {
		t.Fatalf("Stop: %v", err)
	}
	l.Epoch = 1
	if _, err := other.Start(t.Context(), l); gateway.KindOf(err) != gateway.KindConflict {
		t.Errorf("Start of an earlier epoch: %v; want a conflict", err)
	}
	if now := mustFind(t, rt, gatewayID, true); now != inst || now.Epoch != 2 || !answers(inst.Address) {
		t.Errorf("the server was disturbed: %+v, was %+v", now, inst)
	}
	// The successor needs not ask.
	l.Epoch = 3
	next, err := other.Start(t.Context(), l)
	if err != nil {
		t.Fatalf("Start of a later epoch: %v", err)
	}
	if now := mustFind(t, rt, gatewayID, true); now != next || now.Epoch != 3 {
		t.Errorf("found %+v, started %+v", now, next)
	}
	if ids := listed(t, rt); len(ids) != 1 {
		t.Errorf("List = %v", ids)
	}
}

func unconfirmed(t *testing.T, h Harness) {
	rt := h.New(t)
	l := h.launch(t, gatewayID)
	no := errors.New("the lease is lost")
	l.Confirm = func(context.Context) error { return no }
	if _, err := rt.Start(t.Context(), l); !errors.Is(err, no) {
		t.Fatalf("Start: %v; want %v", err, no)
	}
	mustFind(t, rt, gatewayID, false)
	// Somebody else has taken over while we were about to start.
	l.Epoch = 1
	l.Confirm = func(ctx context.Context) error { return h.New(t).Stop(ctx, gatewayID, 1) }
	if _, err := rt.Start(t.Context(), l); err == nil && !h.Foreign {
		t.Error("started what was ended by somebody else")
	}
	if inst, ok, err := rt.Find(t.Context(), gatewayID); err != nil || ok && inst.Running && !h.Foreign {
		t.Errorf("Find = %+v, %v, %v", inst, ok, err)
	}
	if err := rt.Stop(t.Context(), gatewayID, upstream.AnyEpoch); err != nil {
		t.Fatal(err)
	}
	if f, ok := rt.(upstream.Forgetter); ok {
		if err := f.Forget(t.Context(), gatewayID); err != nil {
			t.Fatal(err)
		}
	}
}

func stopNothing(t *testing.T, h Harness) {
	rt := h.New(t)
	for range 2 {
		if err := rt.Stop(t.Context(), "lc-neverstarted0001", upstream.AnyEpoch); err != nil {
			t.Errorf("Stop: %v", err)
		}
	}
	mustFind(t, rt, "lc-neverstarted0001", false)
	if lines, err := rt.Logs(t.Context(), "lc-neverstarted0001", 10); err != nil || len(lines) != 0 {
		t.Errorf("Logs = %v, %v", lines, err)
	}
}

func twoGateways(t *testing.T, h Harness) {
	rt := h.New(t)
	one := start(t, h, rt, h.launch(t, gatewayID))
	two := start(t, h, rt, h.launch(t, otherID))
	if one.Address == two.Address && !h.Foreign {
		t.Errorf("both are at %s", one.Address)
	}
	if ids := listed(t, rt); !slices.Equal(ids, []string{gatewayID, otherID}) {
		t.Errorf("List = %v", ids)
	}
	if err := rt.Stop(t.Context(), otherID, upstream.AnyEpoch); err != nil {
		t.Fatalf("Stop: %v", err)
	}
	if now := mustFind(t, rt, gatewayID, true); !now.Running || !answers(now.Address) {
		t.Errorf("stopping one stopped the other: %+v", now)
	}
}

func brokenEngine(t *testing.T, h Harness) {
	rt := h.New(t)
	for name, engine := range h.Broken {
		t.Run(name, func(t *testing.T) {
			l := h.launch(t, gatewayID)
			l.Engine = engine
			_, err := rt.Start(t.Context(), l)
			if k := gateway.KindOf(err); k != gateway.KindInvalid && k != gateway.KindUnavailable {
				t.Fatalf("Start: %v; want an error of KindInvalid or KindUnavailable", err)
			}
			t.Logf("the error: %v", err)
			mustFind(t, rt, gatewayID, false)
			if ids := listed(t, rt); len(ids) != 0 {
				t.Errorf("left behind: %v", ids)
			}
		})
	}
}

// sideBySide runs two servers of one gateway.
func sideBySide(t *testing.T, h Harness) {
	rt := h.New(t)
	l := h.launch(t, gatewayID)
	l.Epoch = 1
	old := start(t, h, rt, l)
	l.Number, l.Epoch = 2, 2
	next := start(t, h, rt, l)
	if old.Number != 1 || next.Number != 2 || old.GatewayID != gatewayID || next.GatewayID != gatewayID {
		t.Errorf("the servers are %+v and %+v", old, next)
	}
	if old.Address == next.Address && !h.Foreign {
		t.Errorf("both are at %s", old.Address)
	}
	both := []string{old.ServerID(), next.ServerID()}
	if ids := listed(t, rt); !slices.Equal(ids, both) {
		t.Errorf("List = %v, want %v", ids, both)
	}
	later := rt
	if !h.Foreign {
		later = h.New(t)
	}
	for _, inst := range []upstream.Instance{old, next} {
		if now := mustFind(t, later, inst.ServerID(), true); now != inst || !answers(now.Address) {
			t.Errorf("found %+v, want %+v", now, inst)
		}
	}
	// A later epoch that ends spares the earlier one beside it.
	if err := later.Stop(t.Context(), next.ServerID(), next.Epoch); err != nil {
		t.Fatalf("Stop: %v", err)
	}
	mustFind(t, later, next.ServerID(), false)
	if now := mustFind(t, later, old.ServerID(), true); now != old || !answers(now.Address) {
		t.Errorf("stopping one stopped the other: %+v", now)
	}
	if err := later.Stop(t.Context(), old.ServerID(), old.Epoch); err != nil {
		t.Fatalf("Stop: %v", err)
	}
	if ids := listed(t, later); len(ids) != 0 {
		t.Errorf("left: %v", ids)
	}
}
