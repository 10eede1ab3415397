package caddymodule

import (
	"bytes"
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/internal/sessions"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/tokens"
)

func (s *site) newToken(name string, settings tokens.Settings) (header string) {
	s.t.Helper()
	settings.Name = &name
	_, secret, err := current.Load().tokens.Create(context.Background(), tokens.CreateRequest{GatewayID: s.gateway.ID, Settings: settings})
	if err != nil {
		s.t.Fatal(err)
	}
	return tokens.Header + ": " + secret
}

func (s *site) records(f store.RecordFilter) []*store.Record {
	s.t.Helper()
	got, _, err := current.Load().store.Records(context.Background(), s.gateway.ID, f, 0, 1000)
	if err != nil {
		s.t.Fatal(err)
	}
	return got
}

func TestEveryCreateHasAName(t *testing.T) {
	double := livytest.New()
	s := newSite(t, double)
	s.do("POST", "/batches", `{"file":"file:/data/job.py","conf":{"spark.app.name":"nightly"}}`)
	s.do("POST", "/batches", `{"file":"file:/data/job.py"}`)
	s.do("POST", "/batches", `{"file":"file:/data/job.py","name":"mine"}`)
	records := s.records(store.RecordFilter{})
	if len(records) != 3 {
		t.Fatalf("%d records", len(records))
	}
	for i, sent := range double.Requests("batches") {
		r := recordOf(records, int64(i))
		var name string
		_ = json.Unmarshal(sent["name"], &name)
		want := []string{"nightly-" + strings.TrimPrefix(r.ID, "livy-"), r.ID, "mine"}[i]
		if name != want || r.Name != want {
			t.Errorf("batch %d is named %q in Livy and %q on record, want %q", i, name, r.Name, want)
		}
	}
}

func recordOf(records []*store.Record, publicID int64) *store.Record {
	for _, r := range records {
		if r.PublicID == publicID {
			return r
		}
	}
	return &store.Record{}
}

func TestARefusedCreateLeavesNoRecord(t *testing.T) {
	double := livytest.New()
	s := newSite(t, double)
	s.do("POST", "/sessions", `{"name":"twice"}`)
	if r := s.do("POST", "/sessions", `{"name":"twice"}`); r.StatusCode != 400 || !strings.Contains(r.body, `name: is taken`) {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
	if n := len(s.records(store.RecordFilter{})); n != 1 {
		t.Errorf("%d records, want 1", n)
	}
}

func TestLimitOfLiveSessions(t *testing.T) {
	s := newSite(t, livytest.New())
	one := s.newToken("one", tokens.Settings{MaxSessions: new(1)})
	if r := s.do("POST", "/sessions", `{}`, one); r.StatusCode != 201 {
		t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	r := s.do("POST", "/sessions", `{}`, one)
	if r.StatusCode != 429 || r.Header.Get("Retry-After") == "" || r.json(t).Msg == "" {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
	s.do("DELETE", "/sessions/0", "", one)
	if r := s.do("POST", "/sessions", `{}`, one); r.StatusCode != 201 {
		t.Errorf("after a delete: %d %s", r.StatusCode, r.body)
	}
}

func TestIdempotencyKey(t *testing.T) {
	double := livytest.New()
	s := newSite(t, double)
	const body = `{"file":"file:/data/job.py","executorMemory":"1g"}`
	var mu sync.Mutex
	replies := map[string]int{}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			r := s.do("POST", "/batches", body, headerRepeat+": k1")
			mu.Lock()
			defer mu.Unlock()
			replies[fmt.Sprint(r.StatusCode, r.body, r.Header.Get("Location"), r.Header.Get(headerIgnored))]++
		})
	}
	wg.Wait()
	if len(replies) != 1 || len(double.Requests("batches")) != 1 {
		t.Errorf("replies %v, %d batches; want one of each", replies, len(double.Requests("batches")))
	}
	if r := s.do("POST", "/batches", `{"file":"file:/data/other.py"}`, headerRepeat+": k1"); r.StatusCode != 409 {
		t.Errorf("another body: %d %s", r.StatusCode, r.body)
	}
	if r := s.do("POST", "/batches", body, headerRepeat+": k1"); r.Header.Get("Idempotency-Replayed") != "true" || r.StatusCode != 201 {
		t.Errorf("a replay: %d %v", r.StatusCode, r.Header)
	}
	if r := s.do("POST", "/batches", body, headerRepeat+": "+strings.Repeat("k", 256)); r.StatusCode != 400 {
		t.Errorf("a long key: %d", r.StatusCode)
	}
}

// respecify changes the gateway and waits until the data path knows.
func (s *site) respecify(change func(*gateway.Spec)) {
	s.t.Helper()
	core := current.Load()
	g, err := core.store.Gateway(context.Background(), s.gateway.ID)
	if err != nil {
		s.t.Fatal(err)
	}
	change(&g.Spec)
	if err := core.store.SaveGateway(context.Background(), g, store.Write{}); err != nil {
		s.t.Fatal(err)
	}
	for range 3000 {
		if e, err := core.manager.Lookup("default", "etl"); err == nil && e.Gateway.Revision >= g.Revision {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	s.t.Fatal("the change of the gateway does not arrive")
}

func TestWhatIsGoneIsTold(t *testing.T) {
	s := newSite(t, livytest.New())
	s.do("POST", "/sessions", `{}`)
	s.do("DELETE", "/sessions/0", "")
	r := s.do("GET", "/sessions/0", "")
	if r.StatusCode != 404 || !strings.Contains(r.body, "Session '0' not found") || !strings.Contains(r.body, "deleted by token "+s.tokenID) {
		t.Errorf("%d %s", r.StatusCode, r.body)
	}
	if r := s.do("DELETE", "/sessions/0", ""); r.StatusCode != 404 {
		t.Errorf("deleted twice: %d %s", r.StatusCode, r.body)
	}
	s.do("POST", "/sessions", `{}`)
	if r := s.do("GET", "/sessions/1/statements/99", ""); strings.Contains(r.body, "Session") {
		t.Errorf("a statement that is not there: %s", r.body)
	}
}

func TestRecoveringIsShownAsStarting(t *testing.T) {
	double := livytest.New()
	double.Manual = true
	s := newSite(t, double)
	s.do("POST", "/batches", `{"file":"file:/data/job.py"}`)
	double.SetState("batches", 0, "recovering")
	for _, path := range []string{"/batches/0", "/batches", "/batches/0/state"} {
		r := s.do("GET", path, "")
		if strings.Contains(r.body, "recovering") || !strings.Contains(r.body, `"starting"`) || r.ContentLength != int64(len(r.body)) {
			t.Errorf("%s: %s", path, r.body)
		}
		if !json.Valid([]byte(r.body)) {
			t.Errorf("%s: not JSON", r.body)
		}
	}
}

func TestStatesInPieces(t *testing.T) {
	const text = `{"id":1,"state":"recovering","log":["\"state\":\"recovering\""],"x":[{"state":"recovering"}],"state":"recover"`
	want := strings.ReplaceAll(text, `"state":"recovering"`, `"state":"starting"  `)
	for size := 1; size <= len(text); size++ {
		var got bytes.Buffer
		w := &stateWriter{ResponseWriter: &bodyWriter{&got}}
		for rest := []byte(text); len(rest) > 0; {
			n := min(size, len(rest))
			if _, err := w.Write(rest[:n]); err != nil {
				t.Fatal(err)
			}
			rest = rest[n:]
		}
		if w.finish(); got.String() != want {
			t.Fatalf("in pieces of %d: %s", size, got.String())
		}
	}
}

type bodyWriter struct{ *bytes.Buffer }

func (bodyWriter) Header() http.Header { return http.Header{} }
func (bodyWriter) WriteHeader(int)     {}

var _ http.ResponseWriter = bodyWriter{}

// TestPollsAskRedisNothing counts what a client's polls cost.
func TestPollsAskRedisNothing(t *testing.T) {
	s := newSite(t, livytest.New())
	s.isolate()
	s.do("POST", "/sessions", `{"name":"mine"}`)
	s.do("GET", "/sessions/0", "")
	s.do("GET", "/sessions/mine", "")
	s.redis.Close() // from here on every question fails
	for range 3 {
		for _, path := range []string{"/sessions/0", "/sessions/0/state", "/sessions/mine/state", "/sessions/mine", "/sessions"} {
			if r := s.do("GET", path, ""); r.StatusCode != 200 {
				t.Fatalf("%s: %d %s", path, r.StatusCode, r.body)
			}
		}
	}
}

// TestANameGoesToAnother ends a named session and starts another of that name, at
// another instance: what is remembered here is wrong then.
func TestANameGoesToAnother(t *testing.T) {
	double := livytest.New()
	s := newSite(t, double)
	s.do("POST", "/sessions", `{"name":"mine"}`)
	if r := s.do("GET", "/sessions/mine", ""); r.StatusCode != 200 || r.json(t).ID != 0 {
		t.Fatalf("%d %s", r.StatusCode, r.body)
	}
	elsewhere := sessions.New(current.Load().store, zap.NewNop(), time.Now, rand.Reader)
	livyServer := httptest.NewServer(double)
	t.Cleanup(livyServer.Close)
	if err := (&livy.Client{Base: livyServer.URL}).Delete(t.Context(), livy.KindSession, 0); err != nil {
		t.Fatal(err)
	}
	elsewhere.Deleted(t.Context(), s.gateway, livy.KindSession, 0, "token lctk-2")
	if r := s.do("GET", "/sessions/mine", ""); r.StatusCode != 404 || !strings.Contains(r.body, "lctk-2") {
		t.Errorf("the name of what is gone: %d %s", r.StatusCode, r.body)
	}
	in := sessions.Intent{ID: "livy-elsewhere", Gateway: s.gateway, Kind: livy.KindSession, Name: "mine", TokenID: "lctk-2"}
	create, err := elsewhere.Begin(t.Context(), in)
	if err == nil {
		double.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/sessions", strings.NewReader(`{"name":"mine"}`)))
		err = create.Confirmed(t.Context(), s.gateway, 1, "starting", "", sessions.KeptReply{})
	}
	if err != nil {
		t.Fatal(err)
	}
	if r := s.do("GET", "/sessions/mine", ""); r.StatusCode != 503 && r.StatusCode != 200 {
		t.Errorf("the name of another: %d %s", r.StatusCode, r.body)
	}
	if r := s.do("GET", "/sessions/mine", ""); r.StatusCode != 200 || r.json(t).ID != 1 {
		t.Errorf("the name of another, asked again: %d %s", r.StatusCode, r.body)
	}
}
