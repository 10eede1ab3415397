package caddymodule

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/internal/store"
)

// TestRedisGoesAwayDuringACreate takes Redis away at each step of a create: the
// client gets a truthful answer, and afterwards records and Livy agree.
func TestRedisGoesAwayDuringACreate(t *testing.T) {
	double := livytest.New()
	double.Manual = true
	loser := &replyLoser{Handler: double}
	s := newSite(t, loser)
	const away = "LOADING Redis is loading the dataset in memory"
	agree := func(step string, want int) {
		t.Helper()
		s.redis.SetError("")
		for range 3000 {
			names := map[string]bool{}
			confirmed := 0
			for _, r := range s.records(store.RecordFilter{State: store.StateLive}) {
				names[r.Name] = true
				if r.Confirmed() && r.TokenID == s.tokenID {
					confirmed++
				}
			}
			if len(names) == want && confirmed == want && len(double.Requests("sessions")) == want {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Fatalf("%s: Livy has %d sessions, and on record are %+v; want %d of each", step, len(double.Requests("sessions")), s.records(store.RecordFilter{}), want)
	}

	s.redis.SetError(away)
	if r := s.do("POST", "/sessions", `{}`); r.StatusCode != 503 || r.Header.Get("Retry-After") == "" {
		t.Errorf("before the create is written down: %d %s", r.StatusCode, r.body)
	}
	agree("before", 0)

	step := func(then func(w http.ResponseWriter) bool) {
		double.Before = func(w http.ResponseWriter, r *http.Request) bool {
			if r.Method != http.MethodPost {
				return false
			}
			s.redis.SetError(away)
			return then(w)
		}
	}
	step(func(http.ResponseWriter) bool { return false })
	if r := s.do("POST", "/sessions", `{}`); r.StatusCode != 201 || r.json(t).ID != 0 {
		t.Errorf("after it is written down: %d %s", r.StatusCode, r.body)
	}
	agree("after it is written down", 1)

	step(func(w http.ResponseWriter) bool {
		w.WriteHeader(400)
		return true
	})
	if r := s.do("POST", "/sessions", `{}`); r.StatusCode != 400 {
		t.Errorf("at a refusal: %d %s", r.StatusCode, r.body)
	}
	agree("at a refusal", 1)

	// Livy's reply is lost: the client hears that it is not known, and the name
	// tells afterwards.
	double.Before = nil
	s.redis.SetError("")
	loser.lose.Store(true)
	if r := s.do("POST", "/sessions", `{}`); r.StatusCode != 503 {
		t.Errorf("a lost reply: %d %s", r.StatusCode, r.body)
	}
	agree("a lost reply", 2)
}

// replyLoser serves a request and then loses the reply to a create, once told.
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

// TestLivyIsRestartedBehindOurBack checks that no id is given out twice.
func TestLivyIsRestartedBehindOurBack(t *testing.T) {
	double := livytest.New()
	s := newSite(t, double)
	for range 2 {
		s.do("POST", "/sessions", `{}`)
	}
	double.Restart()
	seen := map[int64]bool{0: true, 1: true}
	for range 1200 {
		r := s.do("POST", "/sessions", `{}`)
		if r.StatusCode == 201 {
			if id := r.json(t).ID; seen[id] {
				t.Fatalf("id %d was given out twice", id)
			}
			if r := s.do("GET", "/sessions/0", ""); r.StatusCode != 404 || !strings.Contains(r.body, "restarted") {
				t.Errorf("session 0: %d %s", r.StatusCode, r.body)
			}
			return
		}
		time.Sleep(50 * time.Millisecond)
	}
	t.Fatal("the gateway does not recover")
}
