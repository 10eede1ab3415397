package api_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/control"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
)

// TestErrorsWithoutTokens puts a token into a path and an error: neither the log nor
// the audit log shows it.
func TestErrorsWithoutTokens(t *testing.T) {
	const secret = "lgw_0123456789abcdef_0123456789ABCDEFabcdefXYZxyz0000_0FrxTk"
	written := make(chan store.AuditEntry, 1)
	refusals := control.NewRefusals(func(_ context.Context, e store.AuditEntry) error {
		written <- e
		return nil
	}, zap.NewNop())
	go refusals.Run(t.Context())
	core, logs := observer.New(zap.DebugLevel)
	s := &api.Server{Refusals: refusals, Logger: zap.New(core)}
	r := httptest.NewRequest("GET", "/v1/gateways/"+secret, nil)
	ann := gateway.Origin{Actor: "ann", Address: "192.0.2.7", Surface: "site"}

	s.WriteError(httptest.NewRecorder(), r, ann, fmt.Errorf("reading %s: connection refused", secret))
	lines := logs.All()
	if len(lines) != 1 {
		t.Fatalf("%d log lines, want 1", len(lines))
	}
	if shown := fmt.Sprint(lines[0].ContextMap()); strings.Contains(shown, secret) ||
		!strings.Contains(shown, "path:/v1/gateways/REDACTED") || !strings.Contains(shown, "reading REDACTED: connection refused") {
		t.Errorf("the log shows %s", shown)
	}

	s.WriteError(httptest.NewRecorder(), r, ann, gateway.Errorf(gateway.KindForbidden, "%s is not yours", secret))
	select {
	case e := <-written:
		if e.Detail != "GET: REDACTED is not yours" || e.Actor != "ann" || e.Address != "192.0.2.7" || e.Surface != "site" {
			t.Errorf("the audit log has %+v", e)
		}
	case <-time.After(time.Minute):
		t.Fatal("the refusal is not in the audit log")
	}
}

// TestRuleOfProblems checks that a rule is given only with the field that breaks it, and does not
// repeat the detail.
func TestRuleOfProblems(t *testing.T) {
	invalid := gateway.Invalid("memory", "1", "must be a size such as 8Gi")
	for name, tt := range map[string]struct {
		err  error
		want api.Problem
	}{
		"a field": {invalid, api.Problem{Detail: `memory: must be a size such as 8Gi (got "1")`, Field: "memory", Value: "1", Rule: invalid.Rule}},
		"a line": {
			gateway.InvalidLine("livyConf line 2", "must be KEY VALUE"),
			api.Problem{Detail: "livyConf line 2: must be KEY VALUE", Field: "livyConf line 2", Rule: "must be KEY VALUE"},
		},
		"no field": {gateway.Errorf(gateway.KindNotFound, "no gateway %q", "etl"), api.Problem{Detail: `no gateway "etl"`}},
		"a cause":  {gateway.Wrap(gateway.KindConflict, "reading a token", errors.New("busy")), api.Problem{Detail: "reading a token: busy"}},
		"a field below": {
			gateway.Wrap(gateway.KindInvalid, "reading the settings", invalid),
			api.Problem{Detail: `reading the settings: memory: must be a size such as 8Gi (got "1")`, Field: "memory", Value: "1", Rule: invalid.Rule},
		},
		"no kind": {errors.New("broken"), api.Problem{Detail: "broken"}},
	} {
		w := httptest.NewRecorder()
		(&api.Server{Logger: zap.NewNop()}).WriteError(w, httptest.NewRequest("GET", "/v1/gateways", nil), gateway.Origin{}, tt.err)
		var got api.Problem
		if err := json.Unmarshal(w.Body.Bytes(), &got); err != nil {
			t.Fatal(err)
		}
		got.Type, got.Title, got.Status, got.Kind = "", "", 0, ""
		if got != tt.want {
			t.Errorf("%s: %+v, want %+v", name, got, tt.want)
		}
	}
}
