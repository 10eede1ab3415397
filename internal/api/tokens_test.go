package api_test

import (
	"fmt"
	"sync"
	"testing"

	"github.com/livygateway/livygateway/internal/api"
)

// Two people change different limits of a token at once.
func TestLimitsChangedAtOnce(t *testing.T) {
	c := newClient(t)
	c.do("POST", base, `{"name":"etl"}`, 201, nil)
	var token api.NewToken
	c.do("POST", base+"/etl/tokens", `{"name":"a"}`, 201, &token)
	one := base + "/etl/tokens/" + token.ID
	for i := 1; i <= 30; i++ {
		var wg sync.WaitGroup
		for _, field := range []string{"maxSessions", "maxBatches", "requestsPerSecond"} {
			wg.Go(func() { c.do("PATCH", one, fmt.Sprintf(`{%q:%d}`, field, i), 200, nil) })
		}
		wg.Wait()
		var now api.Token
		c.do("GET", one, "", 200, &now)
		if now.MaxSessions != i || now.MaxBatches != i || now.RequestsPerSecond != float64(i) {
			t.Fatalf("after change %d: %+v", i, now.TokenFields)
		}
	}
}

func TestTimesOfTokensAreBounded(t *testing.T) {
	c := newClient(t)
	c.do("POST", base, `{"name":"etl"}`, 201, nil)
	var token api.NewToken
	c.do("POST", base+"/etl/tokens", `{"name":"a"}`, 201, &token)
	one := base + "/etl/tokens/" + token.ID
	for _, bad := range []struct{ method, path, body, field string }{
		{"POST", base + "/etl/tokens", `{"name":"b","expiresAt":"9999-12-31T23:59:59-23:00"}`, "expiresAt"},
		{"PATCH", one, `{"expiresAt":"9999-12-31T23:59:59-23:00"}`, "expiresAt"},
		{"PATCH", one, `{"expiresAt":"0001-01-01T00:00:00Z"}`, "expiresAt"},
		{"POST", one + "/reset", `{"overlapHours":1e300}`, "overlapHours"},
		{"POST", one + "/reset", `{"overlapHours":169}`, "overlapHours"},
		{"POST", one + "/reset", `{"overlapHours":-1}`, "overlapHours"},
	} {
		var p api.Problem
		c.do(bad.method, bad.path, bad.body, 400, &p)
		if p.Field != bad.field || p.Rule == "" {
			t.Errorf("%s %s: %+v", bad.method, bad.body, p)
		}
	}
}
