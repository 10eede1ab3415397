package livyhttp_test

import (
	"bytes"
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/livygateway/livygateway/caddymodule/internal/caddytest"
	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/tokens"
)

// TestRedisGoesAwayDuringACreate stops Redis at each step of a create. The client must get a true
// reply, and records must agree with Livy afterwards.
func TestRedisGoesAwayDuringACreate(t *testing.T) {
	double := livytest.New()
	double.Manual = true
	loser := &replyLoser{Handler: double}
	s := caddytest.New(t, loser)
	const away = "LOADING Redis is loading the dataset in memory"
	agree := func(step string, want int) {
		t.Helper()
		s.Redis.SetError("")
		for range 3000 {
			names := map[string]bool{}
			confirmed := 0
			for _, r := range s.Records(store.RecordFilter{State: store.StateLive}) {
				names[r.Name] = true
				if r.Confirmed() && r.TokenID == s.TokenID {
					confirmed++
				}
			}
			if len(names) == want && confirmed == want && len(double.Requests("sessions")) == want {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Fatalf("%s: Livy has %d sessions, and on record are %+v; want %d of each", step, len(double.Requests("sessions")), s.Records(store.RecordFilter{}), want)
	}

	s.Redis.SetError(away)
	if r := s.Do("POST", "/sessions", `{}`); r.StatusCode != 503 || r.Header.Get("Retry-After") == "" {
		t.Errorf("before the create is written down: %d %s", r.StatusCode, r.Text)
	}
	agree("before", 0)

	step := func(then func(w http.ResponseWriter) bool) {
		double.Before = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodPost {
				return false
			}
			s.Redis.SetError(away)
			return then(w)
		}
	}
	step(func(http.ResponseWriter) bool { return false })
	if r := s.Do("POST", "/sessions", `{}`); r.StatusCode != 201 || r.JSON(t).ID != 0 {
		t.Errorf("after it is written down: %d %s", r.StatusCode, r.Text)
	}
	agree("after it is written down", 1)

	step(func(w http.ResponseWriter) bool {
		w.WriteHeader(400)
		return true
	})
	if r := s.Do("POST", "/sessions", `{}`); r.StatusCode != 400 {
		t.Errorf("at a refusal: %d %s", r.StatusCode, r.Text)
	}
	agree("at a refusal", 1)

	// If Livy's reply is lost, the client is told that the outcome is unknown, and the record is
	// completed by the name afterwards.
	double.Before = nil
	s.Redis.SetError("")
	loser.lose.Store(true)
	if r := s.Do("POST", "/sessions", `{}`); r.StatusCode != 503 {
		t.Errorf("a lost reply: %d %s", r.StatusCode, r.Text)
	}
	agree("a lost reply", 2)
}

// replyLoser serves requests and loses the reply to a create when it is told to.
type replyLoser struct {
	http.Handler
	lose atomic.Bool
}

func (h *replyLoser) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodPost || !h.lose.Load() {
		h.Handler.ServeHTTP(w, r)
		return
	}
	h.Handler.ServeHTTP(httptest.NewRecorder(), r)
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		conn.Close()
	}
}

// TestAClientLeavesDuringACreate closes the connection before Livy has replied. What Livy created
// must belong to the client, and be recorded.
func TestAClientLeavesDuringACreate(t *testing.T) {
	double := livytest.New()
	double.Manual = true
	reached, answer := make(chan struct{}), make(chan struct{})
	double.Before = func(_ http.ResponseWriter, r *http.Request) bool {
		if r.Method == http.MethodPost {
			body, err := io.ReadAll(r.Body) // it has the request as a whole
			if err != nil {
				t.Error(err)
			}
			r.Body = io.NopCloser(bytes.NewReader(body))
			close(reached)
			<-answer
		}
		return false
	}
	s := caddytest.New(t, double)
	ctx, leave := context.WithCancel(t.Context())
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, "http://"+s.Address+caddytest.Prefix+"/sessions", strings.NewReader("{}"))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set(tokens.Header, s.Token)
	go func() {
		<-reached
		leave()
	}()
	if _, err := s.Client.Do(r); err == nil {
		t.Fatal("the client did not leave")
	}
	s.Await(func() bool { return strings.Contains(s.Logged(), `"status":499`) })
	close(answer)
	s.Await(func() bool {
		records := s.Records(store.RecordFilter{State: store.StateLive})
		return len(records) == 1 && records[0].Confirmed() && records[0].TokenID == s.TokenID
	})
}

// TestLivyIsRestartedBehindOurBack checks that no id is issued twice.
func TestLivyIsRestartedBehindOurBack(t *testing.T) {
	double := livytest.New()
	s := caddytest.New(t, double)
	for range 2 {
		s.Do("POST", "/sessions", `{}`)
	}
	double.Restart()
	seen := map[int64]bool{0: true, 1: true}
	for range 1200 {
		r := s.Do("POST", "/sessions", `{}`)
		if r.StatusCode == 201 {
			if id := r.JSON(t).ID; seen[id] {
				t.Fatalf("id %d was given out twice", id)
			}
			if r := s.Do("GET", "/sessions/0", ""); r.StatusCode != 404 || !strings.Contains(r.Text, "restarted") {
				t.Errorf("session 0: %d %s", r.StatusCode, r.Text)
			}
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("the gateway does not recover")
}
