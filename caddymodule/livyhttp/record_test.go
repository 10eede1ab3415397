package livyhttp_test

import (
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/caddymodule/internal/caddytest"
	"github.com/livygateway/livygateway/caddymodule/internal/core"
	"github.com/livygateway/livygateway/internal/eventually"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/internal/sessions"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/tokens"
)

func TestEveryCreateHasAName(t *testing.T) {
	double := livytest.New()
	s := caddytest.New(t, double)
	s.Do("POST", "/batches", `{"file":"file:/data/job.py","conf":{"spark.app.name":"nightly"}}`)
	s.Do("POST", "/batches", `{"file":"file:/data/job.py"}`)
	s.Do("POST", "/batches", `{"file":"file:/data/job.py","name":"mine"}`)
	records := s.Records(store.RecordFilter{})
	if len(records) != 3 {
		t.Fatalf("%d records", len(records))
	}
	for i, sent := range double.Requests("batches") {
		r := caddytest.RecordOf(records, int64(i))
		var name string
		_ = json.Unmarshal(sent["name"], &name)
		want := []string{"nightly-" + strings.TrimPrefix(r.ID, "livy-"), r.ID, "mine"}[i]
		if name != want || r.Name != want {
			t.Errorf("batch %d is named %q in Livy and %q on record, want %q", i, name, r.Name, want)
		}
	}
}

func TestARefusedCreateLeavesNoRecord(t *testing.T) {
	double := livytest.New()
	s := caddytest.New(t, double)
	s.Do("POST", "/sessions", `{"name":"twice"}`)
	if r := s.Do("POST", "/sessions", `{"name":"twice"}`); r.StatusCode != 400 || !strings.Contains(r.Text, `name: is taken`) {
		t.Errorf("%d %s", r.StatusCode, r.Text)
	}
	if n := len(s.Records(store.RecordFilter{})); n != 1 {
		t.Errorf("%d records, want 1", n)
	}
}

func TestASessionWhereLivyRunsBatchesOnly(t *testing.T) {
	double := livytest.New()
	double.Version = "0.7.1-incubating"
	double.Before = func(w http.ResponseWriter, r *http.Request) bool {
		if r.Method != http.MethodPost || r.URL.Path != "/sessions" {
			return false
		}
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"msg":"requirement failed: Cannot find Livy REPL jars."}`)
		return true
	}
	s := caddytest.New(t, double)
	r := s.Do("POST", "/sessions", `{"kind":"pyspark"}`)
	for _, want := range []string{"requirement failed: Cannot find Livy REPL jars.", "0.7.1", "runs batches only", livy.Distribution, "LIVY_DIST"} {
		if r.StatusCode != 400 || !strings.Contains(r.JSON(t).Msg, want) {
			t.Errorf("%d %s, want %q", r.StatusCode, r.Text, want)
		}
	}
	if n := len(s.Records(store.RecordFilter{})); n != 0 {
		t.Errorf("%d records, want none", n)
	}
}

func TestLimitOfLiveSessions(t *testing.T) {
	s := caddytest.New(t, livytest.New())
	one := s.NewToken("one", tokens.Settings{MaxSessions: new(1)})
	if r := s.Do("POST", "/sessions", `{}`, one); r.StatusCode != 201 {
		t.Fatalf("%d %s", r.StatusCode, r.Text)
	}
	r := s.Do("POST", "/sessions", `{}`, one)
	if r.StatusCode != 429 || r.Header.Get("Retry-After") == "" || r.JSON(t).Msg == "" {
		t.Errorf("%d %s", r.StatusCode, r.Text)
	}
	s.Do("DELETE", "/sessions/0", "", one)
	if r := s.Do("POST", "/sessions", `{}`, one); r.StatusCode != 201 {
		t.Errorf("after a delete: %d %s", r.StatusCode, r.Text)
	}
}

func TestIdempotencyKey(t *testing.T) {
	double := livytest.New()
	s := caddytest.New(t, double)
	const body = `{"file":"file:/data/job.py","executorMemory":"1g"}`
	var mu sync.Mutex
	replies := map[string]int{}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			r := s.Do("POST", "/batches", body, headerRepeat+": k1")
			mu.Lock()
			defer mu.Unlock()
			replies[fmt.Sprint(r.StatusCode, r.Text, r.Header.Get("Location"), r.Header.Get(headerIgnored))]++
		})
	}
	wg.Wait()
	if len(replies) != 1 || len(double.Requests("batches")) != 1 {
		t.Errorf("replies %v, %d batches; want one of each", replies, len(double.Requests("batches")))
	}
	if r := s.Do("POST", "/batches", `{"file":"file:/data/other.py"}`, headerRepeat+": k1"); r.StatusCode != 409 {
		t.Errorf("another body: %d %s", r.StatusCode, r.Text)
	}
	if r := s.Do("POST", "/batches", body, headerRepeat+": k1"); r.Header.Get("Idempotency-Replayed") != "true" || r.StatusCode != 201 {
		t.Errorf("a replay: %d %v", r.StatusCode, r.Header)
	}
	if r := s.Do("POST", "/batches", body, headerRepeat+": "+strings.Repeat("k", 256)); r.StatusCode != 400 {
		t.Errorf("a long key: %d", r.StatusCode)
	}
}

func TestWhatIsGoneIsTold(t *testing.T) {
	s := caddytest.New(t, livytest.New())
	s.Do("POST", "/sessions", `{}`)
	s.Do("DELETE", "/sessions/0", "")
	r := s.Do("GET", "/sessions/0", "")
	if r.StatusCode != 404 || !strings.Contains(r.Text, "Session '0' not found") || !strings.Contains(r.Text, "deleted by token "+s.TokenID) {
		t.Errorf("%d %s", r.StatusCode, r.Text)
	}
	if !strings.Contains(r.Text, `"msg":"Session '0' not found."`) {
		t.Errorf("Livy's sentence does not stand alone: %s", r.Text)
	}
	if r := s.Do("DELETE", "/sessions/0", ""); r.StatusCode != 404 {
		t.Errorf("deleted twice: %d %s", r.StatusCode, r.Text)
	}
	s.Do("POST", "/sessions", `{}`)
	if r := s.Do("GET", "/sessions/1/statements/99", ""); strings.Contains(r.Text, "Session") {
		t.Errorf("a statement that is not there: %s", r.Text)
	}
}

// TestSuccessIsRemembered requests a batch that succeeded after Livy forgot it.
func TestSuccessIsRemembered(t *testing.T) {
	double := livytest.New()
	s := caddytest.New(t, double)
	for range 2 {
		if r := s.Do("POST", "/batches", `{"file":"file:/data/job.py"}`); r.StatusCode != http.StatusCreated {
			t.Fatalf("%d %s", r.StatusCode, r.Text)
		}
	}
	double.SetState("batches", 0, "success")
	double.SetState("batches", 1, "dead")
	eventually.True(t, 10*time.Second, "both ends on record", func() bool {
		s.Do("GET", "/batches/0/state", "")
		s.Do("GET", "/batches/1/state", "")
		records := s.Records(store.RecordFilter{})
		return caddytest.RecordOf(records, 0).State == "success" && caddytest.RecordOf(records, 1).State == "dead"
	})
	double.Restart() // it forgets everything, as Livy does after ten minutes
	for path, want := range map[string]string{
		"/batches/0/state": `"state":"success"`, "/batches/0": `"state":"success"`, "/batches/0/log": `"total":`,
	} {
		if r := s.Do("GET", path, ""); r.StatusCode != http.StatusOK || !strings.Contains(r.Text, want) ||
			!strings.Contains(r.Text, `"id":0`) {
			t.Errorf("%s: %d %s", path, r.StatusCode, r.Text)
		}
	}
	if r := s.Do("DELETE", "/batches/0", ""); r.StatusCode != http.StatusNotFound {
		t.Errorf("deleting it: %d %s", r.StatusCode, r.Text)
	}
	if r := s.Do("GET", "/batches/1/state", ""); r.StatusCode != http.StatusNotFound || !strings.Contains(r.Text, "(dead") {
		t.Errorf("one that failed: %d %s", r.StatusCode, r.Text)
	}
}

func TestRecoveringIsShownAsStarting(t *testing.T) {
	double := livytest.New()
	double.Manual = true
	s := caddytest.New(t, double)
	s.Do("POST", "/batches", `{"file":"file:/data/job.py"}`)
	double.SetState("batches", 0, "recovering")
	for _, path := range []string{"/batches/0", "/batches", "/batches/0/state"} {
		r := s.Do("GET", path, "")
		if strings.Contains(r.Text, "recovering") || !strings.Contains(r.Text, `"starting"`) || r.ContentLength != int64(len(r.Text)) {
			t.Errorf("%s: %s", path, r.Text)
		}
		if !json.Valid([]byte(r.Text)) {
			t.Errorf("%s: not JSON", r.Text)
		}
	}
}

// TestPollsAskRedisNothing counts the calls of Redis for a client's polls.
func TestPollsAskRedisNothing(t *testing.T) {
	s := caddytest.New(t, livytest.New())
	s.Isolate()
	s.Do("POST", "/sessions", `{"name":"mine"}`)
	s.Do("GET", "/sessions/0", "")
	s.Do("GET", "/sessions/mine", "")
	s.Redis.Close() // from here on every question fails
	for range 3 {
		for _, path := range []string{"/sessions/0", "/sessions/0/state", "/sessions/mine/state", "/sessions/mine", "/sessions"} {
			if r := s.Do("GET", path, ""); r.StatusCode != 200 {
				t.Fatalf("%s: %d %s", path, r.StatusCode, r.Text)
			}
		}
	}
}

// TestANameGoesToAnother ends a named session and starts another one with that name at another
// instance, so that the name in this instance's memory is out of date.
func TestANameGoesToAnother(t *testing.T) {
	double := livytest.New()
	s := caddytest.New(t, double)
	s.Do("POST", "/sessions", `{"name":"mine"}`)
	if r := s.Do("GET", "/sessions/mine", ""); r.StatusCode != 200 || r.JSON(t).ID != 0 {
		t.Fatalf("%d %s", r.StatusCode, r.Text)
	}
	elsewhere := sessions.New(core.InForce().Store, zap.NewNop(), time.Now, rand.Reader)
	livyServer := httptest.NewServer(double)
	t.Cleanup(livyServer.Close)
	if err := (&livy.Client{Base: livyServer.URL}).Delete(t.Context(), livy.KindSession, 0); err != nil {
		t.Fatal(err)
	}
	elsewhere.Deleted(t.Context(), s.Gateway, livy.KindSession, 0, "token lctk-2")
	if r := s.Do("GET", "/sessions/mine", ""); r.StatusCode != 404 || !strings.Contains(r.Text, "lctk-2") {
		t.Errorf("the name of a deleted session: %d %s", r.StatusCode, r.Text)
	}
	in := sessions.Intent{ID: "livy-elsewhere", Gateway: s.Gateway, Kind: livy.KindSession, Name: "mine", TokenID: "lctk-2"}
	create, err := elsewhere.Begin(t.Context(), in)
	if err == nil {
		double.ServeHTTP(httptest.NewRecorder(), httptest.NewRequest("POST", "/sessions", strings.NewReader(`{"name":"mine"}`)))
		err = create.Confirmed(t.Context(), s.Gateway, 1, "starting", "", sessions.KeptReply{})
	}
	if err != nil {
		t.Fatal(err)
	}
	if r := s.Do("GET", "/sessions/mine", ""); r.StatusCode != 503 && r.StatusCode != 200 {
		t.Errorf("the name of another: %d %s", r.StatusCode, r.Text)
	}
	if r := s.Do("GET", "/sessions/mine", ""); r.StatusCode != 200 || r.JSON(t).ID != 1 {
		t.Errorf("the name of another, asked again: %d %s", r.StatusCode, r.Text)
	}
}
