package control

import (
	"context"
	"crypto/rand"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/resolved"
	"github.com/livygateway/livygateway/internal/sessions"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
	"github.com/livygateway/livygateway/internal/tokens"
	"github.com/livygateway/livygateway/upstream"
)

// engine is a model of a container engine: a name belongs to one container at a
// time, and what is done by a container's id is done to that one or to none.
type engine struct {
	mu      sync.Mutex
	address string
	named   map[string]*box // by gateway
	made    int
	started int
	most    int // the most that ever ran of one gateway
	running int
}

type box struct {
	id      string
	epoch   int64
	running bool
}

// handle is the engine as one instance uses it; pause is called wherever that
// instance may be halted.
type handle struct {
	*engine
	pause func(where string)
}

func (h handle) Name() string { return "model" }
func (h handle) Close() error { return nil }

func (h handle) Logs(context.Context, string, int) ([]string, error) { return nil, nil }

func (h handle) inspect(id string) (box, *box) {
	h.pause("before a look")
	h.mu.Lock()
	defer h.mu.Unlock()
	defer h.pauseUnlocked("after a look")
	if b := h.named[id]; b != nil {
		return *b, b
	}
	return box{}, nil
}

func (h handle) pauseUnlocked(where string) {
	h.mu.Unlock()
	h.pause(where)
	h.mu.Lock()
}

func (h handle) remove(id string, b *box) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.named[id] == b {
		delete(h.named, id)
	}
	if b.running {
		h.running--
	}
	b.running = false
}

func (h handle) Start(ctx context.Context, l upstream.Launch) (upstream.Instance, error) {
	if seen, old := h.inspect(l.GatewayID); old != nil {
		if seen.running && seen.epoch >= l.Epoch || seen.epoch > l.Epoch {
			return upstream.Instance{}, gateway.Errorf(gateway.KindConflict, "it runs already")
		}
		h.remove(l.GatewayID, old)
	}
	h.mu.Lock()
	if h.named[l.GatewayID] != nil {
		h.mu.Unlock()
		return upstream.Instance{}, gateway.Errorf(gateway.KindConflict, "the name is taken")
	}
	h.made++
	b := &box{id: fmt.Sprintf("box-%d", h.made), epoch: l.Epoch}
	h.named[l.GatewayID] = b
	h.mu.Unlock()
	h.pause("after creating")
	if err := l.Confirmed(ctx); err != nil {
		h.remove(l.GatewayID, b)
		return upstream.Instance{}, err
	}
	h.pause("after the last question")
	h.mu.Lock()
	if h.named[l.GatewayID] != b {
		h.mu.Unlock()
		return upstream.Instance{}, gateway.Errorf(gateway.KindUnavailable, "no such container")
	}
	b.running = true
	h.started++
	h.running++
	h.most = max(h.most, h.running)
	h.mu.Unlock()
	h.pause("after starting")
	return h.instance(l.GatewayID, *b), nil
}

func (h handle) instance(id string, b box) upstream.Instance {
	return upstream.Instance{GatewayID: id, ID: b.id, Address: h.address, Running: b.running, Epoch: b.epoch, Exit: "ended"}
}

func (h handle) Stop(_ context.Context, id string, upTo int64) error {
	seen, b := h.inspect(id)
	if b == nil || seen.epoch > upTo {
		return nil
	}
	h.remove(id, b)
	h.pause("after stopping")
	return nil
}

func (h handle) Find(_ context.Context, id string) (upstream.Instance, bool, error) {
	seen, b := h.inspect(id)
	return h.instance(id, seen), b != nil, nil
}

func (h handle) List(context.Context) ([]upstream.Instance, error) { return nil, nil }

// halting is a connection on which each command may be where its process is
// halted.
type halting struct {
	net.Conn
	pause func(where string)
}

func (c halting) Write(b []byte) (int, error) {
	c.pause("before a command")
	return c.Conn.Write(b)
}

func (c halting) Read(b []byte) (int, error) {
	n, err := c.Conn.Read(b)
	c.pause("after a reply")
	return n, err
}

// pair are two instances on one Redis and one engine. The first may be halted.
type pair struct {
	t      *testing.T
	redis  *miniredis.Miniredis
	engine *engine
	m      [2]*Manager
	w      [2]*reconciler
	id     string
	lists  string // what Livy lists as batches
	now    time.Time

	at     int // the place at which the first is halted
	seen   int // places passed
	where  string
	halted func() // what happens meanwhile
}

func newPair(t *testing.T) *pair {
	p := &pair{t: t, at: -1, redis: miniredis.RunT(t), now: time.UnixMilli(1_700_000_000_000)}
	livy := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/version":
			fmt.Fprint(w, `{"version":"0.8.0"}`)
		case "/batches":
			list(w, "sessions", p.lists)
		default:
			list(w, "sessions", "")
		}
	}))
	t.Cleanup(livy.Close)
	p.engine = &engine{address: strings.TrimPrefix(livy.URL, "http://"), named: map[string]*box{}}
	p.redis.SetTime(p.now)
	for i := range p.m {
		pause := func(string) {}
		options := store.Options{Addrs: []string{p.redis.Addr()}, Timeout: time.Minute}
		if i == 0 {
			pause = p.pause
			options.Dialer = func(ctx context.Context, network, addr string) (net.Conn, error) {
				c, err := new(net.Dialer).DialContext(ctx, network, addr)
				return halting{c, func(where string) { p.pause(where) }}, err
			}
		}
		s := storetest.Open(t, options)
		log := zap.NewNop()
		p.m[i] = New(Options{
			Store: s, Runtime: handle{p.engine, pause}, Logger: log,
			Ledger: sessions.New(s, log, func() time.Time { return p.now }, rand.Reader), Tokens: tokens.New(s, tokens.Options{}, log),
			Now: func() time.Time { return p.now },
		})
		p.m[i].Configure(Settings{Settings: resolved.Settings{Catalog: gateway.Catalog{Engines: []gateway.Engine{{Name: "spark", Image: "x"}}}}})
	}
	g, err := p.m[1].Create(context.Background(), CreateRequest{Start: true, Spec: gateway.Spec{
		Name: "etl", AutoStop: gateway.AutoStop{Enabled: true},
	}})
	if err != nil {
		t.Fatal(err)
	}
	p.id = g.ID
	p.claim(0)
	return p
}

// claim gives the lease to one of the two.
func (p *pair) claim(i int) {
	p.t.Helper()
	p.now = p.now.Add(time.Minute)
	p.redis.SetTime(p.now)
	grant, err := p.m[1].Store.ClaimLeases(context.Background(), store.Claim{
		By: store.Instance{ID: fmt.Sprint(i)}, Leases: map[string]int64{p.id: 0}, TTL: leaseTTL, Forget: locationGrace,
	})
	if err != nil || grant.Leases[p.id] == 0 {
		p.t.Fatalf("no lease: %+v, %v", grant, err)
	}
	p.w[i] = &reconciler{m: p.m[i], id: p.id, fence: store.Fence{GatewayID: p.id, Number: grant.Leases[p.id]}}
}

// steps lets one of the two work for a while.
func (p *pair) steps(i, n int) {
	ctx := context.Background()
	_ = p.m[i].refreshAll(ctx)
	for range n {
		p.w[i].step(ctx)
		p.now = p.now.Add(2 * time.Second)
		p.redis.SetTime(p.now)
	}
}

// pause halts the first instance, at the one place, until the other one has done
// all there is to do.
func (p *pair) pause(where string) {
	n := p.seen
	p.seen++
	if n == p.at && p.halted != nil {
		p.where = where
		p.halted()
	}
}

// TestAHaltedHolderDoesNoHarm halts an instance at every place of its work, in
// turn, lets another one take over and finish, and lets the first go on: nothing
// of what the second made may change, and never do two servers run.
func TestAHaltedHolderDoesNoHarm(t *testing.T) {
	ctx := context.Background()
	want := func(p *pair, s gateway.State) {
		g, err := p.m[1].Store.Gateway(ctx, p.id)
		if err == nil {
			_, err = p.m[1].want(ctx, g, s, "ann", "", gateway.By("ann"))
		}
		if err != nil {
			p.t.Fatal(err)
		}
	}
	for name, tt := range map[string]struct {
		// before prepares, with the first instance in charge; meanwhile is what
		// somebody does when the second has taken over, before it works.
		before, meanwhile func(p *pair)
		states            string
	}{
		"start":                 {states: "Running"},
		"start, stop meanwhile": {meanwhile: func(p *pair) { want(p, gateway.StateStopped) }, states: "Created Stopped"},
		"stop": {
			before: func(p *pair) { p.steps(0, 4); want(p, gateway.StateStopped) },
			states: "Stopped",
		},
		"stop, start meanwhile": {
			before:    func(p *pair) { p.steps(0, 4); want(p, gateway.StateStopped) },
			meanwhile: func(p *pair) { want(p, gateway.StateRunning) },
			states:    "Running",
		},
		"crash": {
			before: func(p *pair) {
				p.steps(0, 4)
				p.engine.named[p.id].running = false
				p.engine.running--
			},
			states: "Running",
		},
		"poll": {
			before: func(p *pair) { p.steps(0, 4); p.lists = `{"id":0,"name":"one","state":"running"}` },
			states: "Running",
		},
		"idle": {
			before: func(p *pair) { p.steps(0, 4); p.now = p.now.Add(time.Hour) },
			states: "Running Stopped", // as far as the first came; the second counts anew
		},
	} {
		t.Run(name, func(t *testing.T) {
			halts := 0
			for at := 0; ; at++ {
				p := newPair(t)
				if tt.before != nil {
					tt.before(p)
				}
				var after *gateway.Gateway
				var inst upstream.Instance
				var records []*store.Record
				started := 0
				look := func() (*gateway.Gateway, upstream.Instance, []*store.Record) {
					g, err := p.m[1].Store.Gateway(ctx, p.id)
					if err != nil {
						t.Fatal(err)
					}
					inst, _, _ := p.m[1].Runtime.Find(ctx, p.id)
					live, err := p.m[1].Store.LiveRecords(ctx, p.id)
					if err != nil {
						t.Fatal(err)
					}
					return g, inst, live
				}
				p.halted = func() {
					p.claim(1)
					if tt.meanwhile != nil {
						tt.meanwhile(p)
					}
					p.steps(1, 6)
					after, inst, records = look()
					started = p.engine.started
				}
				p.seen, p.at = 0, at
				p.steps(0, 6)
				if after == nil { // there are no more places
					break
				}
				halts++
				where := fmt.Sprintf("halted at %d, %s", at, p.where)
				g, now, live := look()
				if !reflect.DeepEqual(g, after) || now != inst || !reflect.DeepEqual(live, records) {
					t.Errorf("%s: afterwards %+v, %+v, %v; the other one left %+v, %+v, %v", where, g, now, live, after, inst, records)
				}
				if !strings.Contains(tt.states, string(g.Status.State)) || now.Running != (g.Status.State == gateway.StateRunning) {
					t.Errorf("%s: %+v with server %+v", where, g.Status, now)
				}
				if p.engine.started != started {
					t.Errorf("%s: it started a server all the same", where)
				}
				if p.engine.most > 1 {
					t.Errorf("%s: %d servers ran at a time", where, p.engine.most)
				}
			}
			if halts < 10 {
				t.Errorf("halted at %d places only", halts)
			}
			t.Logf("halted at %d places", halts)
		})
	}
}
