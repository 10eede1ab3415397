package managedapi

import (
	"bufio"
	"bytes"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"
	"go.uber.org/zap/zapcore"

	"github.com/livygateway/livygateway/internal/accesskeys"
	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/budgets"
	"github.com/livygateway/livygateway/internal/control"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/internal/resolved"
	"github.com/livygateway/livygateway/internal/sessions"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
	"github.com/livygateway/livygateway/internal/tokens"
	"github.com/livygateway/livygateway/upstream/static"
)

// The access key of the recorded requests, and a workspace that they name.
const (
	vectorID     = "lcak-0123456789abcdef"
	vectorSecret = "a-secret-of-the-test-vectors"
	workspaceID  = "w-1234567890abcdef"
	sealingText  = "a sealing key of at least 32 characters"
	testHost     = "livy.example.com"
)

// world is an instance that serves the API, with the double of Livy behind it.
type world struct {
	t      *testing.T
	server *Server
	store  *store.Store
	livy   *livytest.Server
	log    *bytes.Buffer
	entry  chan store.AuditEntry
	offset time.Duration // of the client's clock
}

// newWorld starts an instance on a store.
func newWorld(t *testing.T, s *store.Store) *world {
	t.Helper()
	double := livytest.New()
	livy := httptest.NewServer(double)
	t.Cleanup(livy.Close)
	w := &world{t: t, store: s, livy: double, log: new(bytes.Buffer), entry: make(chan store.AuditEntry, 1000)}
	log := zap.New(zapcore.NewCore(zapcore.NewJSONEncoder(zap.NewProductionEncoderConfig()), zapcore.Lock(zapcore.AddSync(w.log)), zap.DebugLevel))
	runtime, err := static.New(log)
	if err != nil {
		t.Fatal(err)
	}
	service := tokens.New(s, tokens.Options{FailureBurst: -1}, log)
	m := control.New(control.Options{
		Store: s, Runtime: runtime, Tokens: service, Logger: log,
		Ledger: sessions.New(s, log, time.Now, rand.Reader), PollInterval: 20 * time.Millisecond,
	})
	m.Configure(control.Settings{Settings: resolved.Settings{Catalog: gateway.Catalog{
		Engines: []gateway.Engine{
			{Name: "spark-3.5", URL: livy.URL, Spark: "3.5.8", Scala: "2.12"}, {Name: "spark-3.4", URL: livy.URL, Spark: "3.4.4"},
		},
		Queues:       []string{"root.etl", "root.adhoc"},
		Environments: []gateway.Environment{{Name: "ev-analytics"}},
		Networks:     []gateway.Network{{Name: "vpc-net"}},
		Fusion:       []gateway.Fusion{{Name: "fast"}},
	}}})
	m.Run()
	t.Cleanup(func() { m.Close(false) })
	for {
		if _, err := m.Snapshot(); err == nil {
			break
		}
		time.Sleep(5 * time.Millisecond)
	}
	keys := accesskeys.New(s, time.Now, log)
	keys.Configure(sealer(t, sealingText))
	refusals := control.NewRefusals(func(_ context.Context, e store.AuditEntry) error { w.entry <- e; return nil }, log)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	go func() { defer close(done); refusals.Run(ctx) }()
	t.Cleanup(func() { cancel(); <-done })
	w.server = New(&api.Server{Manager: m, Tokens: service, Store: s, AccessKeys: keys, Refusals: refusals, Budgets: budgets.New(budgets.Options{Store: s, Logger: log, Gateways: m.Snapshot}), Logger: log}, Settings{
		Workspaces: map[string]string{workspaceID: "default", "w-other": "lab"},
		Regions:    []string{"cn-hangzhou"},
		Releases:   []Release{{"esr-4.3.0 (Spark 3.5.2, Scala 2.12)", "spark-3.5"}},
		Endpoint:   "public.example.com", EndpointInner: "inner.example.com:8080",
	})
	return w
}

func sealer(t testing.TB, texts ...string) *accesskeys.Sealer {
	t.Helper()
	s, err := accesskeys.NewSealer(texts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// newWorlds starts two instances on one store, with the access key of the recorded requests.
func newWorlds(t *testing.T) (a, b *world) {
	t.Helper()
	s, _ := storetest.Mini(t)
	a, b = newWorld(t, s), newWorld(t, s)
	a.plant(vectorID, vectorSecret, "admin", "*")
	return a, b
}

// plant stores an access key with a known secret.
func (w *world) plant(id, secret, role, workspace string) {
	w.t.Helper()
	sealed, err := sealer(w.t, sealingText).Seal(id, secret)
	if err != nil {
		w.t.Fatal(err)
	}
	row := &store.AccessKeyRow{ID: id, Name: role, Role: role, Workspaces: []string{workspace}, Sealed: sealed}
	if err := w.store.SaveAccessKey(w.t.Context(), row, store.Write{}); err != nil {
		w.t.Fatal(err)
	}
}

// recorded is a request as an SDK sent it.
type recorded struct {
	Method  string      `json:"method"`
	Target  string      `json:"target"`
	Headers [][2]string `json:"headers"`
	Body    string      `json:"body"`
}

// vectors reads the recorded requests. testdata/record.py recorded those of the Python SDK.
func vectors(t testing.TB) (all []recorded) {
	t.Helper()
	for _, name := range []string{"testdata/python-2.3.0.jsonl", "testdata/go-2.1.13.jsonl"} {
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		lines := bufio.NewScanner(f)
		for lines.Scan() {
			var r recorded
			if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
				t.Fatal(err)
			}
			if r.header("Authorization") != "" {
				all = append(all, r)
			}
		}
	}
	if len(all) < 150 {
		t.Fatalf("only %d recorded requests", len(all))
	}
	return all
}

func (r *recorded) header(name string) string {
	for _, h := range r.Headers {
		if strings.EqualFold(h[0], name) {
			return h[1]
		}
	}
	return ""
}

func (r *recorded) date(t testing.TB) time.Time {
	t.Helper()
	at, err := time.Parse(time.RFC3339, r.header(headerDate))
	if err != nil {
		t.Fatal(err)
	}
	return at
}

// request returns the request as the server of a site gets it.
func (r *recorded) request() (*http.Request, Arrived) {
	u, err := url.ParseRequestURI(r.Target)
	if err != nil {
		panic(err)
	}
	req := &http.Request{Method: r.Method, URL: u, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(r.Body)), RequestURI: r.Target}
	for _, h := range r.Headers {
		if !strings.EqualFold(h[0], "host") {
			req.Header.Add(h[0], h[1])
		}
	}
	return req, Arrived{URI: r.Target, Host: r.header("host"), Address: "192.0.2.7"}
}

// send sends a recorded request to the instance at the time when it was recorded.
func (w *world) send(r *recorded) reply {
	w.t.Helper()
	w.server.Now = func() time.Time { return r.date(w.t) }
	req, arrived := r.request()
	return w.serve(req.WithContext(w.t.Context()), arrived)
}

// reply is the reply to a request.
type reply struct {
	status int
	header http.Header
	text   string
	Code   string          `json:"code"`
	Msg    string          `json:"message"`
	ID     string          `json:"requestId"`
	Data   json.RawMessage `json:"data"`
}

func (r *reply) String() string { return fmt.Sprintf("%d %s", r.status, r.text) }

func (w *world) serve(req *http.Request, arrived Arrived) reply {
	w.t.Helper()
	rec := httptest.NewRecorder()
	w.server.Serve(rec, req, arrived)
	got := reply{status: rec.Code, header: rec.Header(), text: rec.Body.String()}
	if err := json.Unmarshal(rec.Body.Bytes(), &got); err != nil {
		w.t.Fatalf("not a JSON object: %v in %s", err, got.text)
	}
	if got.ID == "" || got.header.Get("X-Acs-Request-Id") != got.ID {
		w.t.Errorf("the reply has no request id: %s", got.text)
	}
	return got
}

var nonces atomic.Int64

// ask signs a request with an access key and sends it; change may change it before that.
func (w *world) ask(action, method, target, body string, change ...func(*http.Request, *Arrived)) reply {
	return w.askAs(vectorID, vectorSecret, action, method, target, body, change...)
}

func (w *world) askAs(id, secret, action, method, target, body string, change ...func(*http.Request, *Arrived)) reply {
	w.t.Helper()
	req := httptest.NewRequestWithContext(w.t.Context(), method, target, strings.NewReader(body))
	arrived := Arrived{URI: target, Host: testHost, Address: "192.0.2.7", HTTPS: true}
	sum := sha256.Sum256([]byte(body))
	for name, value := range map[string]string{
		headerAction: action, headerVersion: Version, headerBodyHash: hex.EncodeToString(sum[:]),
		headerDate:  time.Now().Add(w.offset).UTC().Format("2006-01-02T15:04:05Z"),
		headerNonce: fmt.Sprintf("nonce-%d", nonces.Add(1)),
	} {
		req.Header.Set(name, value)
	}
	w.server.Now = time.Now
	signRequest(w.t, req, arrived, id, secret)
	for _, f := range change {
		f(req, &arrived)
	}
	return w.serve(req, arrived)
}

func signRequest(t testing.TB, req *http.Request, arrived Arrived, id, secret string) {
	t.Helper()
	text, err := canonical(req, arrived, mustSign)
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Authorization", algorithm+" Credential="+id+",SignedHeaders="+strings.Join(mustSign, ";")+",Signature="+sign(secret, text))
}

// must is ask for a request that has to succeed; it decodes the data of the reply.
func (w *world) must(action, method, target, body string, into any) reply {
	w.t.Helper()
	got := w.ask(action, method, target, body)
	if got.status != http.StatusOK {
		w.t.Fatalf("%s: %s", action, &got)
	}
	if into != nil {
		if err := json.Unmarshal(got.Data, into); err != nil {
			w.t.Fatalf("%s: %v in %s", action, err, got.text)
		}
	}
	return got
}

const computesPath = "/api/interactive/v1/workspace/" + workspaceID + "/livycompute"

// create creates a gateway and returns its id.
func (w *world) create(name string) string {
	w.t.Helper()
	var got struct {
		LivyComputeID string `json:"livyComputeId"`
	}
	w.must("CreateLivyCompute", "PUT", computesPath, `{"name":"`+name+`"}`, &got)
	return got.LivyComputeID
}
