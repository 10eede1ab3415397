package notices_test

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/livygateway/livygateway/internal/notices"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

const secret = "a secret of 16 or more"

// receiver is a webhook that fails at first.
type receiver struct {
	mu       sync.Mutex
	fail     int
	requests []*http.Request
	bodies   []string
}

func (r *receiver) ServeHTTP(w http.ResponseWriter, q *http.Request) {
	body, _ := io.ReadAll(q.Body)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.requests, r.bodies = append(r.requests, q), append(r.bodies, string(body))
	if len(r.requests) <= r.fail {
		w.WriteHeader(http.StatusBadGateway)
	}
}

func (r *receiver) count() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.requests)
}

// TestDelivery reports the same on two instances: one delivery, after a failure a second attempt
// with the same id, both signed, and no secret in the log.
func TestDelivery(t *testing.T) {
	to := &receiver{fail: 1}
	server := httptest.NewServer(to)
	t.Cleanup(server.Close)
	s, redis := storetest.Real(t)
	core, logs := observer.New(zap.DebugLevel)
	var mu sync.Mutex
	now, emitted := time.Now(), 0
	hook := notices.Webhook{URL: server.URL + "/path-is-secret", Secret: secret, Events: []string{notices.SessionLost}}
	for range 2 {
		n := notices.New(notices.Options{
			Store: storetest.Open(t, store.Options{Addrs: []string{redis.Addr()}}), Logger: zap.New(core), Rand: rand.Reader,
			Now: func() time.Time {
				mu.Lock()
				defer mu.Unlock()
				return now
			},
			Emit: func(*notices.Notice) {
				mu.Lock()
				defer mu.Unlock()
				emitted++
			},
		})
		n.Configure([]notices.Webhook{hook})
		var running sync.WaitGroup
		running.Go(func() { n.Run(t.Context()) })
		t.Cleanup(running.Wait)
		n.Report(notices.Make(notices.SessionLost, "livy-1", "batch 1 was lost", map[string]any{"record": "livy-1"}))
		n.Report(notices.Make(notices.TokenExpiring, "lctk-1", "a token expires", nil))
	}
	await(t, func() bool { return to.count() == 1 && logs.FilterMessageSnippet("did not take").Len() == 1 })
	mu.Lock()
	now = now.Add(6 * time.Second)
	mu.Unlock()
	await(t, func() bool { return to.count() == 2 })
	time.Sleep(3 * time.Second) // both instances look again
	if n := to.count(); n != 2 || emitted != 2 {
		t.Errorf("%d requests, %d events; want 2 and 2", n, emitted)
	}
	for i, r := range to.requests {
		var got notices.Notice
		if err := json.Unmarshal([]byte(to.bodies[i]), &got); err != nil || got.Text != "batch 1 was lost" || got.ID != r.Header.Get(notices.HeaderID) ||
			got.ID != to.requests[0].Header.Get(notices.HeaderID) || r.Header.Get(notices.HeaderEvent) != notices.SessionLost {
			t.Errorf("%v %s %v", err, to.bodies[i], r.Header)
		}
		if want := notices.Sign(secret, r.Header.Get(notices.HeaderTimestamp), []byte(to.bodies[i])); r.Header.Get(notices.HeaderSignature) != want {
			t.Errorf("signature %s, want %s", r.Header.Get(notices.HeaderSignature), want)
		}
	}
	for _, entry := range logs.All() {
		text, _ := json.Marshal(entry.ContextMap())
		if strings.Contains(string(text)+entry.Message, secret) || strings.Contains(string(text), "path-is-secret") {
			t.Errorf("a secret in the log: %s %s", entry.Message, text)
		}
	}
	if keys := redis.MustDo("KEYS", "*path-is-secret*"); len(keys.([]any)) != 0 {
		t.Errorf("the URL is in Redis: %v", keys)
	}
	// A session is lost once; tokens are looked at again and again.
	var days []int64
	for _, key := range redis.MustDo("KEYS", "*:noticed:*").([]any) {
		days = append(days, (redis.MustDo("TTL", key.(string)).(int64)+3600)/86400)
	}
	if slices.Sort(days); !slices.Equal(days, []int64{7, 400}) {
		t.Errorf("it is remembered for %d days what was reported", days)
	}
	_ = s
}

// TestDeliveryAfterARestart ends the only instance after an attempt that failed, and amid one that
// hangs: the next instance sends the notice again, with the same id.
func TestDeliveryAfterARestart(t *testing.T) {
	for name, hangs := range map[string]bool{"a failure": false, "an attempt without an end": true} {
		t.Run(name, func(t *testing.T) {
			to, arrived := &receiver{fail: 1}, make(chan struct{}, 2)
			server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				to.ServeHTTP(w, r)
				hang := hangs && to.count() == 1
				arrived <- struct{}{}
				if hang {
					<-r.Context().Done()
				}
			}))
			t.Cleanup(server.Close)
			s, _ := storetest.Mini(t)
			core, logs := observer.New(zap.DebugLevel)
			now := time.Now()
			start := func(at time.Time) (end func()) {
				n := notices.New(notices.Options{Store: s, Logger: zap.New(core), Rand: rand.Reader, Now: func() time.Time { return at }})
				n.Configure([]notices.Webhook{{URL: server.URL, Secret: secret}})
				ctx, cancel := context.WithCancel(t.Context())
				var running sync.WaitGroup
				running.Go(func() { n.Run(ctx) })
				n.Report(notices.Make(notices.SessionLost, "livy-1", "batch 1 was lost", nil)) // the second instance finds it too
				return func() { cancel(); running.Wait() }
			}
			end := start(now)
			<-arrived
			if !hangs {
				await(t, func() bool { return logs.FilterMessageSnippet("did not take").Len() == 1 })
			}
			end()
			defer start(now.Add(time.Minute))()
			<-arrived
			to.mu.Lock()
			defer to.mu.Unlock()
			if a, b := to.requests[0].Header.Get(notices.HeaderID), to.requests[1].Header.Get(notices.HeaderID); a != b || to.bodies[0] != to.bodies[1] {
				t.Errorf("%s %s, then %s %s", a, to.bodies[0], b, to.bodies[1])
			}
		})
	}
}

func await(t *testing.T, ok func() bool) {
	t.Helper()
	for range 1000 {
		if ok() {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Fatal("it does not happen")
}

// TestClaims checks that what an instance has taken is not taken by another, until its lease ends.
func TestClaims(t *testing.T) {
	s, _ := storetest.Mini(t)
	now, hooks := time.Now(), []string{"http://a"}
	for _, want := range []bool{true, false} {
		isNew, _, err := s.AddNotice(t.Context(), store.Notice{Key: "k", ID: "n-1", Doc: "{}", Life: time.Hour}, hooks, now, 2)
		if err != nil || isNew != want {
			t.Fatal(isNew, err)
		}
	}
	for _, tt := range []struct {
		after   time.Duration
		attempt int64
	}{{0, 1}, {time.Second, 0}, {31 * time.Second, 2}} {
		d, err := s.ClaimNotice(t.Context(), "http://a", now.Add(tt.after), 30*time.Second)
		if err != nil || (d != nil) != (tt.attempt > 0) || d != nil && d.Attempt != tt.attempt {
			t.Errorf("after %s: %+v %v, want attempt %d", tt.after, d, err, tt.attempt)
		}
	}
	for n := range 3 {
		key := strconv.Itoa(n)
		if _, dropped, err := s.AddNotice(t.Context(), store.Notice{Key: key, ID: key, Doc: "{}", Life: time.Hour}, hooks, now.Add(time.Minute), 2); err != nil || (dropped > 0) != (n > 0) {
			t.Errorf("%d: dropped %d, %v", n, dropped, err)
		}
	}
}

// TestThePythonOfTheDocs runs the example of docs/budgets.md against signatures of ours.
func TestThePythonOfTheDocs(t *testing.T) {
	python, err := exec.LookPath("python3")
	if err != nil {
		storetest.Needs(t, "python3", err.Error())
	}
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "budgets.md"))
	if err != nil {
		t.Fatal(err)
	}
	_, code, _ := strings.Cut(string(text), "```python\n")
	code, _, ok := strings.Cut(code, "```")
	if !ok {
		t.Fatal("docs/budgets.md has no example in Python")
	}
	body := `{"text":"ann's"}`
	fresh, old := strconv.FormatInt(time.Now().Unix(), 10), strconv.FormatInt(time.Now().Add(-time.Hour).Unix(), 10)
	for name, tt := range map[string]struct{ timestamp, signature, want string }{
		"valid":          {fresh, notices.Sign(secret, fresh, []byte(body)), "True"},
		"old":            {old, notices.Sign(secret, old, []byte(body)), "False"},
		"another secret": {fresh, notices.Sign("another one of 16", fresh, []byte(body)), "False"},
		"another body":   {fresh, notices.Sign(secret, fresh, []byte("{}")), "False"},
	} {
		program := code + "\nimport sys\nprint(verify(sys.argv[1], {'X-Livy-Gateway-Timestamp': sys.argv[2], 'X-Livy-Gateway-Signature': sys.argv[3]}, sys.argv[4].encode()))"
		out, err := exec.CommandContext(t.Context(), python, "-c", program, secret, tt.timestamp, tt.signature, body).CombinedOutput()
		if err != nil || strings.TrimSpace(string(out)) != tt.want {
			t.Errorf("%s: %s %v", name, out, err)
		}
	}
}

func TestWebhookRules(t *testing.T) {
	for name, tt := range map[string]struct {
		w  notices.Webhook
		ok bool
	}{
		"fine":         {notices.Webhook{URL: "https://a/b?c", Secret: secret}, true},
		"no URL":       {notices.Webhook{URL: "a", Secret: secret}, false},
		"a login":      {notices.Webhook{URL: "https://u:hidden@a", Secret: secret}, false},
		"short secret": {notices.Webhook{URL: "https://a", Secret: "hidden"}, false},
		"no such name": {notices.Webhook{URL: "https://a", Secret: secret, Events: []string{"x"}}, false},
	} {
		err := tt.w.Validate()
		if (err == nil) != tt.ok || err != nil && strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: %v", name, err)
		}
	}
}
