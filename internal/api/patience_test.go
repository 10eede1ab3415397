package api_test

import (
	"crypto/rand"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/control"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/resolved"
	"github.com/livygateway/livygateway/internal/sessions"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
	"github.com/livygateway/livygateway/internal/tokens"
	"github.com/livygateway/livygateway/upstream/static"
)

// A read that comes while Redis is away for a moment is answered when it is back;
// so is one whose connection breaks.
func TestReadsOutlastAHiccup(t *testing.T) {
	_, redis := storetest.Mini(t)
	relay := storetest.StartRelay(t, redis.Addr())
	s := storetest.Open(t, store.Options{Addrs: []string{relay.Addr()}})
	log := zap.NewNop()
	runtime, err := static.New(log)
	if err != nil {
		t.Fatal(err)
	}
	service := tokens.New(s, tokens.Options{}, log)
	m := control.New(control.Options{
		Store: s, Runtime: runtime, Tokens: service, Logger: log, Ledger: sessions.New(s, log, time.Now, rand.Reader),
	})
	m.Configure(control.Settings{Settings: resolved.Settings{Catalog: gateway.Catalog{Engines: []gateway.Engine{{Name: "double", URL: "http://127.0.0.1:1"}}}}})
	if _, err := m.Create(t.Context(), control.CreateRequest{Spec: gateway.Spec{Name: "etl"}, Origin: gateway.Origin{Actor: "ann"}}); err != nil {
		t.Fatal(err)
	}
	for patience, want := range map[time.Duration]int{20 * time.Second: http.StatusOK, 50 * time.Millisecond: http.StatusServiceUnavailable} {
		h := (&api.Server{Manager: m, Tokens: service, Store: s, Logger: log, Patience: patience}).Handler(
			func(*http.Request) gateway.Origin { return gateway.Origin{Actor: "ann"} })
		for _, path := range []string{"/v1/gateways", "/v1/workspaces/default/gateways/etl", "/v1/workspaces/default/gateways/etl/tokens"} {
			relay.Refuse()
			if want == http.StatusOK {
				time.AfterFunc(300*time.Millisecond, relay.Pass)
			}
			w := httptest.NewRecorder()
			h.ServeHTTP(w, httptest.NewRequest(http.MethodGet, path, http.NoBody))
			if w.Code != want {
				t.Errorf("%s with a patience of %s: %d %s", path, patience, w.Code, w.Body)
			}
			relay.Pass()
		}
	}
}
