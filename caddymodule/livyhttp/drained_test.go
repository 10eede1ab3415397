package livyhttp_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http/httptest"
	"reflect"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/caddymodule/internal/caddytest"
	"github.com/livygateway/livygateway/caddymodule/internal/core"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/tokens"
)

// drain puts the gateway's engine at another test double and lets the former one drain. It
// returns the first id of the new one.
func drain(t *testing.T, s *caddytest.Site, next *livytest.Server) (base int64) {
	t.Helper()
	server := httptest.NewServer(next)
	t.Cleanup(server.Close)
	s.Load(regexp.MustCompile(`url \S+`).ReplaceAllString(s.Config, "url "+server.URL))
	if _, err := core.InForce().Manager.Replace(context.Background(), s.Gateway, time.Hour, gateway.By("ann")); err != nil {
		t.Fatal(err)
	}
	s.Await(func() bool {
		e, err := core.InForce().Manager.Lookup("default", "etl")
		if err != nil || len(e.Beside()) != 1 {
			return false
		}
		base = e.Gateway.Status.SessionBase
		return true
	})
	return base
}

// listed returns the ids of a reply with a list, and its total.
func listed(t *testing.T, r caddytest.Reply) (ids []int64, total int) {
	t.Helper()
	var list struct {
		Total    int
		Sessions []struct{ ID int64 }
	}
	if err := json.Unmarshal([]byte(r.Text), &list); err != nil {
		t.Fatalf("%d %s: %v", r.StatusCode, r.Text, err)
	}
	for _, x := range list.Sessions {
		ids = append(ids, x.ID)
	}
	return ids, list.Total
}

func TestDrained(t *testing.T) {
	old, next := livytest.New(), livytest.New()
	old.Manual, next.Manual = true, true
	s := caddytest.New(t, old)
	other := s.NewToken("other", tokens.Settings{})
	create := func(path, body string, want int, headers ...string) int64 {
		t.Helper()
		r := s.Do("POST", path, body, headers...)
		if r.StatusCode != want {
			t.Fatalf("POST %s %s: %d %s, want %d", path, body, r.StatusCode, r.Text, want)
		}
		if want != 201 {
			return -1
		}
		return r.JSON(t).ID
	}
	create("/sessions", `{"name":"a"}`, 201)
	create("/sessions", `{"name":"b"}`, 201, other)
	create("/batches", `{"file":"local:/data/x.jar","name":"job"}`, 201)
	base := drain(t, s, next)
	third := create("/sessions", `{"name":"c"}`, 201)
	if third != base || base < 1000 {
		t.Errorf("the first session on the new server is %d, its base %d", third, base)
	}
	if n := len(next.Requests("sessions")); n != 1 {
		t.Errorf("the new server got %d creates", n)
	}

	for query, want := range map[string][]int64{
		"":               {0, 1, base},
		"?from=1":        {1, base},
		"?from=1&size=1": {1},
		"?size=2":        {0, 1},
		"?from=3":        nil,
	} {
		ids, total := listed(t, s.Do("GET", "/sessions"+query, ""))
		if !reflect.DeepEqual(ids, want) || total != 3 {
			t.Errorf("list%s: %v of %d, want %v of 3", query, ids, total, want)
		}
	}
	if ids, total := listed(t, s.Do("GET", "/batches", "")); total != 1 || ids[0] != 0 {
		t.Errorf("batches: %v of %d", ids, total)
	}
	for _, path := range []string{"/sessions/0", "/sessions/a", "/sessions/b/state", "/sessions/c", "/sessions/0/statements", "/batches/0/log", "/batches/job/state"} {
		if r := s.Do("GET", path, ""); r.StatusCode != 200 {
			t.Errorf("GET %s: %d %s", path, r.StatusCode, r.Text)
		}
	}
	if r := s.Do("GET", "/sessions/2", ""); r.StatusCode != 404 || !strings.HasPrefix(r.JSON(t).Msg, "Session '2' not found.") {
		t.Errorf("an id that was never issued: %d %s", r.StatusCode, r.Text)
	}

	create("/sessions", `{"name":"b"}`, 400)
	create("/batches", `{"file":"local:/data/x.jar","name":"job"}`, 400)
	create("/batches", `{"file":"local:/data/x.jar","name":"job2"}`, 201)
	if n := len(s.Records(store.RecordFilter{})); n != 5 {
		t.Errorf("%d records, want 5: refused creates must leave none", n)
	}

	s.Isolate()
	if ids, total := listed(t, s.Do("GET", "/sessions", "", other)); total != 1 || ids[0] != 1 {
		t.Errorf("the sessions of the other token: %v of %d", ids, total)
	}
	if r := s.Do("GET", "/sessions/0", "", other); r.StatusCode != 404 {
		t.Errorf("another token's session on the draining server: %d %s", r.StatusCode, r.Text)
	}

	if r := s.Do("DELETE", "/sessions/a", ""); r.StatusCode != 200 {
		t.Errorf("DELETE: %d %s", r.StatusCode, r.Text)
	}
	if r := s.Do("GET", "/sessions/0", ""); r.StatusCode != 404 || !strings.Contains(r.Text, "deleted by token") {
		t.Errorf("the deleted session: %d %s", r.StatusCode, r.Text)
	}
	create("/sessions", `{"name":"a"}`, 201)

	var shown struct {
		Servers []struct {
			State string
			Live  struct{ Sessions, Batches int }
		}
	}
	s.Manage("GET", "", &shown)
	if got := fmt.Sprint(shown.Servers); got != "[{primary {2 1}} {draining {1 1}}]" {
		t.Errorf("the API shows the servers %s", got)
	}
	var second *store.Record
	for _, r := range s.Records(store.RecordFilter{}) {
		if r.Kind == "session" && r.PublicID == 1 {
			second = r
		}
	}
	if code, text := s.Manage("DELETE", "records/"+second.ID, nil); code != 200 {
		t.Errorf("closing a session on the draining server: %d %s", code, text)
	}
}
