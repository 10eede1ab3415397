package upstreamtest

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/eventually"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/upstream"
)

func foundAgain(t *testing.T, h Harness) {
	first := h.New(t)
	inst := start(t, h, first, h.launch(t, gatewayID))
	if err := first.Close(); err != nil {
		t.Fatalf("Close: %v", err)
	}
	second := h.New(t)
	if !answers(inst.Address) {
		t.Fatal("Close stopped the server")
	}
	if found := mustFind(t, second, gatewayID, true); found != inst {
		t.Errorf("found %+v, was %+v", found, inst)
	}
	if lines, err := second.Logs(t.Context(), gatewayID, 100); err != nil || len(lines) == 0 {
		t.Errorf("Logs = %v, %v", lines, err)
	}
	if err := second.Stop(t.Context(), gatewayID, upstream.AnyEpoch); err != nil {
		t.Fatalf("Stop: %v", err)
	}
	if answers(inst.Address) {
		t.Error("the server answers after Stop")
	}
}

func newInstance(t *testing.T, h Harness) {
	rt := h.New(t)
	l := h.launch(t, gatewayID)
	first := start(t, h, rt, l)
	if err := rt.Stop(t.Context(), gatewayID, upstream.AnyEpoch); err != nil {
		t.Fatalf("Stop: %v", err)
	}
	if second := start(t, h, rt, l); second.ID == first.ID {
		t.Errorf("both starts are instance %s", second.ID)
	}
}

func logsAfterStop(t *testing.T, h Harness) {
	rt := h.New(t)
	inst := start(t, h, rt, h.launch(t, gatewayID))
	if h.Fake {
		for i := range 5 {
			Get(t, inst.Address, fmt.Sprintf("/say?line=line-%d", i))
		}
	}
	if err := rt.Stop(t.Context(), gatewayID, upstream.AnyEpoch); err != nil {
		t.Fatalf("Stop: %v", err)
	}
	lines, err := rt.Logs(t.Context(), gatewayID, 1000)
	if err != nil || len(lines) < 1 {
		t.Fatalf("Logs = %v, %v", lines, err)
	}
	if !h.Fake {
		return
	}
	lines, err = rt.Logs(t.Context(), gatewayID, 2)
	if err != nil || len(lines) != 2 || !strings.HasSuffix(lines[0], "line-3") ||
		!strings.HasSuffix(lines[1], "line-4") {
		t.Errorf("the last two lines are %q, %v", lines, err)
	}
}

func crash(t *testing.T, h Harness) {
	rt := h.New(t)
	l := h.launch(t, gatewayID)
	inst := start(t, h, rt, l)
	if resp, err := http.Get("http://" + inst.Address + "/exit?code=3"); err == nil {
		resp.Body.Close()
	}
	var found upstream.Instance
	eventually.True(t, h.Patience, "the crash is seen with its exit code", func() bool {
		found = mustFind(t, rt, gatewayID, true)
		return !found.Running && strings.Contains(found.Exit, "exit code 3")
	})
	if found.ID != inst.ID {
		t.Errorf("the crashed instance is %s, was %s", found.ID, inst.ID)
	}
	if again := start(t, h, rt, l); again.ID == inst.ID {
		t.Errorf("started over as the same instance %s", again.ID)
	}
}

func diesAtStart(t *testing.T, h Harness) {
	rt := h.New(t)
	l := h.launch(t, gatewayID)
	l.Files[upstream.LivyConf] += "livy.fake.die = of-old-age\n"
	inst, err := rt.Start(t.Context(), l)
	if err != nil {
		t.Fatalf("Start: %v", err)
	}
	stopAtEnd(t, rt, gatewayID)
	ctx, cancel := context.WithTimeout(t.Context(), h.Patience)
	defer cancel()
	_, err = WaitReady(ctx, rt, inst)
	if gateway.KindOf(err) != gateway.KindUnavailable || !strings.Contains(err.Error(), "of-old-age") ||
		!strings.Contains(err.Error(), "exit code 1") {
		t.Errorf("WaitReady: %v; want the exit code and the last log line", err)
	}
}

func deaf(t *testing.T, h Harness) {
	rt := h.New(t)
	l := h.launch(t, gatewayID)
	l.Files[upstream.LivyConf] += "livy.fake.deaf = yes\n"
	inst := start(t, h, rt, l)
	if err := rt.Stop(t.Context(), gatewayID, upstream.AnyEpoch); err != nil {
		t.Fatalf("Stop: %v", err)
	}
	if answers(inst.Address) {
		t.Error("the server answers after Stop")
	}
}
