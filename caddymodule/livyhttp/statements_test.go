package livyhttp_test

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/caddymodule/internal/caddytest"
	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/internal/tokens"
)

func TestStatementAudit(t *testing.T) {
	double := livytest.New()
	s := caddytest.New(t, double)
	run := func(code string) {
		t.Helper()
		for range 3 {
			s.Do("GET", "/sessions/0", "")
		}
		if r := s.Do("POST", "/sessions/0/statements", `{"code":"`+code+`"}`); r.StatusCode != 201 {
			t.Fatalf("%d %s", r.StatusCode, r.Text)
		}
	}
	s.Do("POST", "/sessions", `{}`)
	run("1+1") // nobody audits
	s.Respecify(func(spec *gateway.Spec) { spec.StatementAudit = gateway.AuditHash })
	run("2+2")
	s.Respecify(func(spec *gateway.Spec) { spec.StatementAudit = gateway.AuditCode })
	run("raise Exception('x')")
	for _, path := range []string{"/sessions/0/statements/0", "/sessions/0/statements/1", "/sessions/0/statements"} {
		for range 4 {
			if r := s.Do("GET", path, ""); r.StatusCode != 200 {
				t.Fatalf("%s: %d %s", path, r.StatusCode, r.Text)
			}
		}
	}
	var list api.StatementList
	if status, body := s.Manage("GET", "statements", &list); status != 200 || list.Total != 2 || len(list.Statements) != 2 {
		t.Fatalf("%d %s", status, body)
	}
	failed, hashed := list.Statements[0], list.Statements[1]
	sum := sha256.Sum256([]byte("2+2"))
	if hashed.StatementID != 1 || hashed.CodeHash != hex.EncodeToString(sum[:]) || hashed.Code != "" || hashed.TokenID != s.TokenID || hashed.Status != "ok" {
		t.Errorf("audited by hash: %+v", hashed)
	}
	if failed.StatementID != 2 || !strings.HasPrefix(failed.Code, "raise") || failed.Status != "error" {
		t.Errorf("audited with code: %+v", failed)
	}
	if err := (&gateway.Spec{StatementAudit: "all"}).Validate(&gateway.Catalog{}); err == nil {
		t.Error("an unknown kind of audit is accepted")
	}
}

// TestAuditedListPassesThrough: outputs can be large, so that a list is not held until its end.
func TestAuditedListPassesThrough(t *testing.T) {
	double := livytest.New()
	s := caddytest.New(t, double)
	for range 4 {
		s.Do("GET", "/sessions/0", "")
		s.Do("POST", "/sessions", `{}`)
	}
	s.Respecify(func(spec *gateway.Spec) { spec.StatementAudit = gateway.AuditHash })
	s.Do("POST", "/sessions/0/statements", `{"code":"1"}`)
	arrived := make(chan struct{})
	double.Before = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != "GET" || r.URL.Path != "/sessions/0/statements" {
			return false
		}
		_, _ = io.WriteString(w, `{"total_statements":1,"statements":[{"id":0,"state":"available","output":{"status":"ok","data":{"text/plain":"`+strings.Repeat("x", 1<<16))
		_ = http.NewResponseController(w).Flush()
		select {
		case <-arrived:
		case <-r.Context().Done():
		}
		_, _ = io.WriteString(w, `"}}}]}`)
		return true
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, "GET", "http://"+s.Address+caddytest.Prefix+"/sessions/0/statements", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set(tokens.Header, s.Token)
	res, err := s.Client.Do(req)
	if err != nil {
		t.Fatalf("the list's beginning: %v", err)
	}
	defer res.Body.Close()
	if _, err := io.ReadFull(res.Body, make([]byte, 1000)); err != nil {
		t.Fatalf("the list's beginning: %v", err)
	}
	close(arrived)
	if _, err := io.ReadAll(res.Body); err != nil {
		t.Fatal(err)
	}
	var list api.StatementList
	s.Await(func() bool {
		s.Manage("GET", "statements", &list)
		return len(list.Statements) == 1 && list.Statements[0].Status == "ok"
	})
}
