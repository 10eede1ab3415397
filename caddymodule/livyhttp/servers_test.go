package livyhttp_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"regexp"
	"slices"
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

// setServers changes the number of the gateway's Livy servers and waits for them.
func setServers(t *testing.T, s *caddytest.Site, n int) {
	t.Helper()
	_, err := core.InForce().Manager.Update(context.Background(), s.Gateway, control.UpdateRequest{
		Patch: json.RawMessage(fmt.Sprintf(`{"servers":%d}`, n)), Order: gateway.By("ann"),
	})
	if err != nil {
		t.Fatal(err)
	}
	s.Await(func() bool {
		e, err := core.InForce().Manager.Lookup("default", "etl")
		return err == nil && len(e.Beside()) == n-1 && e.Gateway.ServingServers() == n
	})
}

// TestServers spreads creates over three Livy servers.
func TestServers(t *testing.T) {
	doubles := []*livytest.Server{livytest.New(), livytest.New(), livytest.New()}
	s := caddytest.New(t, doubles[0])
	var urls string
	for _, d := range doubles {
		d.Manual = true
		if d != doubles[0] {
			server := httptest.NewServer(d)
			t.Cleanup(server.Close)
			urls += " " + server.URL
		}
	}
	first := s.Do("POST", "/sessions", `{"name":"first"}`).JSON(t).ID
	s.Load(regexp.MustCompile(`(?m)url (\S+)$`).ReplaceAllString(s.Config, "url $1\nurls "+urls))
	setServers(t, s, 3)

	var mu sync.Mutex
	ids := []int64{first}
	var wg sync.WaitGroup
	for n := range 8 {
		wg.Go(func() {
			r := s.Do("POST", "/sessions", fmt.Sprintf(`{"name":"s%d"}`, n))
			mu.Lock()
			defer mu.Unlock()
			if r.StatusCode != 201 {
				t.Errorf("POST: %d %s", r.StatusCode, r.Text)
				return
			}
			ids = append(ids, r.JSON(t).ID)
		})
	}
	wg.Wait()
	for i, d := range doubles {
		// Creates that are recorded while another one reads the counts may be missed.
		if n := len(d.Requests("sessions")); n < 2 {
			t.Errorf("server %d got %d of 9 creates", i+1, n)
		}
	}
	slices.Sort(ids)
	if shown, total := listed(t, s.Do("GET", "/sessions", "")); total != 9 || !slices.Equal(shown, ids) {
		t.Errorf("the list has %v of %d, want %v", shown, total, ids)
	}
	for _, id := range ids {
		if r := s.Do("GET", fmt.Sprintf("/sessions/%d", id), ""); r.StatusCode != 200 || r.JSON(t).ID != id {
			t.Errorf("GET %d: %d %s", id, r.StatusCode, r.Text)
		}
	}
	for n := range 3 { // whichever server they would go to
		if r := s.Do("POST", "/sessions", fmt.Sprintf(`{"name":"s%d"}`, n)); r.StatusCode != 400 {
			t.Errorf("a name that is taken: %d %s", r.StatusCode, r.Text)
		}
	}
	if n := len(s.Records(store.RecordFilter{})); n != 9 {
		t.Errorf("%d records, want 9", n)
	}
	for range 2 { // a repeated create starts nothing
		if r := s.Do("POST", "/sessions", `{"name":"again"}`, "Idempotency-Key: k"); r.StatusCode != 201 {
			t.Errorf("POST: %d %s", r.StatusCode, r.Text)
		}
	}
	if n := len(s.Records(store.RecordFilter{})); n != 10 {
		t.Errorf("%d records, want 10", n)
	}
	if r := s.Do("DELETE", "/sessions/s7", ""); r.StatusCode != 200 {
		t.Errorf("DELETE: %d %s", r.StatusCode, r.Text)
	}
	var shown struct {
		Servers []struct{ State string }
		Notes   []string
	}
	s.Manage("GET", "", &shown)
	if got := fmt.Sprint(shown.Servers); got != "[{primary} {serving} {serving}]" ||
		!slices.Contains(shown.Notes, "3 of 3 Livy servers serve") {
		t.Errorf("the API shows the servers %s and the notes %q", got, shown.Notes)
	}
}

func TestServersAreRefused(t *testing.T) {
	s := caddytest.New(t, livytest.New())
	for servers, want := range map[string]string{
		"2":  "servers: must be at most 1, the number of URLs of engine",
		"9":  "servers: must be from 1 to 8",
		"-1": "servers: must be from 1 to 8",
	} {
		_, err := core.InForce().Manager.Update(context.Background(), s.Gateway, control.UpdateRequest{
			Patch: json.RawMessage(`{"servers":` + servers + `}`), Order: gateway.By("ann"),
		})
		if err == nil || !strings.HasPrefix(err.Error(), want) {
			t.Errorf("servers %s: %v, want %q", servers, err, want)
		}
	}
}

// TestANameOnAnotherServer: a create whose name is taken on another server is not sent, and takes
// nothing away from the server that it was for.
func TestANameOnAnotherServer(t *testing.T) {
	doubles := []*livytest.Server{livytest.New(), livytest.New()}
	s := caddytest.New(t, doubles[0])
	second := httptest.NewServer(doubles[1])
	t.Cleanup(second.Close)
	if r := s.Do("POST", "/sessions", `{"name":"x"}`); r.StatusCode != 201 {
		t.Fatalf("%d %s", r.StatusCode, r.Text)
	}
	s.Load(regexp.MustCompile(`(?m)url (\S+)$`).ReplaceAllString(s.Config, "url $1\nurls "+second.URL))
	setServers(t, s, 2)
	// Somebody else's, which no poll has recorded yet.
	post := httptest.NewRequest("POST", "/sessions", strings.NewReader(`{"name":"x","kind":"spark"}`))
	doubles[1].ServeHTTP(httptest.NewRecorder(), post)
	if r := s.Do("POST", "/sessions", `{"name":"x"}`); r.StatusCode != 400 || !strings.Contains(r.Text, "is taken") {
		t.Errorf("%d %s", r.StatusCode, r.Text)
	}
	left := httptest.NewRecorder()
	doubles[1].ServeHTTP(left, httptest.NewRequest("GET", "/sessions/x", http.NoBody))
	if left.Code != 200 {
		t.Errorf("the session of somebody else: %d %s", left.Code, left.Body)
	}
	if live := s.Records(store.RecordFilter{}); len(live) > 2 {
		t.Errorf("%d records", len(live))
	}
}
