package livyhttp_test

import (
	"net/http"
	"strings"
	"sync"
	"testing"

	"github.com/livygateway/livygateway/caddymodule/internal/caddytest"
	"github.com/livygateway/livygateway/caddymodule/internal/core"
	"github.com/livygateway/livygateway/internal/control"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/internal/store"
)

func TestARequestWakesAStoppedGateway(t *testing.T) {
	s := caddytest.New(t, livytest.New())
	ctx := t.Context()
	m := core.InForce().Manager
	patch := func(text string) {
		t.Helper()
		if _, err := m.Update(ctx, s.Gateway, control.UpdateRequest{Patch: []byte(text)}); err != nil {
			t.Fatal(err)
		}
	}
	stop := func() {
		t.Helper()
		if _, err := m.Stop(ctx, s.Gateway, gateway.By("test")); err != nil {
			t.Fatal(err)
		}
		s.AwaitState("etl", gateway.StateStopped)
	}

	// A request without a token does not start the gateway.
	patch(`{"autoStart":{"enabled":true}}`)
	stop()
	if r := s.Do("GET", "/sessions", "", "X-Acs-Spark-Livy-Token: lctk-nobody.x"); r.StatusCode != http.StatusUnauthorized {
		t.Errorf("without a token: %d", r.StatusCode)
	}
	if e, _ := m.Lookup("default", "etl"); e.Gateway.Status.State != gateway.StateStopped {
		t.Errorf("woken without a token: %s", e.Gateway.Status.State)
	}

	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			if r := s.Do("GET", "/version", ""); r.StatusCode != http.StatusOK {
				t.Errorf("a waiting caller: %d %s", r.StatusCode, r.Text)
			}
		})
	}
	wg.Wait()
	e, err := m.Lookup("default", "etl")
	if err != nil || e.Gateway.Status.Epoch != 2 {
		t.Errorf("%d servers in all for twenty callers, want one more than the first: %v", e.Gateway.Status.Epoch, err)
	}
	woken, _, err := core.InForce().Store.ReadAudit(ctx, store.AuditFilter{Action: "gateway.wake"}, 10)
	if err != nil || len(woken) != 1 || woken[0].Actor != s.TokenID || woken[0].Address != "127.0.0.1" || woken[0].Surface != core.SurfaceLivy {
		t.Errorf("the audit log on who woke it: %+v, %v", woken, err)
	}

	patch(`{"autoStart":{"waitSeconds":0}}`)
	stop()
	r := s.Do("GET", "/version", "")
	if r.StatusCode != http.StatusServiceUnavailable || r.Header.Get("Retry-After") == "" || !strings.Contains(r.Text, "is starting") {
		t.Errorf("with no patience: %d, Retry-After %q, %s", r.StatusCode, r.Header.Get("Retry-After"), r.Text)
	}
	s.AwaitState("etl", gateway.StateRunning)

	patch(`{"autoStart":null}`)
	stop()
	if r := s.Do("GET", "/version", ""); r.StatusCode != http.StatusServiceUnavailable || !strings.Contains(r.Text, "must be started first") {
		t.Errorf("without automatic start: %d %s", r.StatusCode, r.Text)
	}
}
