package livyhttp_test

import (
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/livygateway/livygateway/caddymodule/internal/caddytest"
	"github.com/livygateway/livygateway/caddymodule/internal/core"
	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/internal/tokens"
)

// TestReload reloads the configuration repeatedly while requests are in progress, some of them
// slow. Every request that reached Livy must be answered.
//
// A connection that is opened or reused at the moment in which Caddy replaces its listeners can
// be closed before its request is read (in any Caddy, see net/http's Shutdown). Nothing was done
// for such a request, and clients connect again. These requests are counted here, and are not
// failures.
func TestReload(t *testing.T) {
	double := livytest.New()
	s := caddytest.New(t, double)
	s.Do("POST", "/sessions", `{"kind":"pyspark"}`)

	hold := make(chan struct{})
	var held, reached atomic.Int32
	double.Before = func(_ http.ResponseWriter, r *http.Request) bool {
		switch r.URL.Path {
		case "/sessions/0/log":
			held.Add(1)
			<-hold
		case "/sessions/0":
			reached.Add(1)
		}
		return false
	}
	client := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: 16}}
	var answered, unread atomic.Int32
	get := func(path string) {
		req, _ := http.NewRequest("GET", "http://"+s.Address+caddytest.Prefix+path, nil)
		req.Header.Set(tokens.Header, s.Token)
		resp, err := client.Do(req)
		if err != nil {
			unread.Add(1)
			return
		}
		resp.Body.Close()
		if resp.StatusCode != http.StatusOK {
			t.Errorf("GET %s: %s", path, resp.Status)
		}
		answered.Add(1)
	}

	var slow, fast sync.WaitGroup
	const waiting = 4
	for range waiting {
		slow.Go(func() { get("/sessions/0/log") })
	}
	for held.Load() < waiting {
		get("/version")
	}
	answered.Store(0)
	stop := make(chan struct{})
	for range 4 {
		fast.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					get("/sessions/0")
				}
			}
		})
	}
	before := core.InForce()
	const reloads = 6
	for i := range reloads {
		s.Load(strings.Replace(s.Config, "local_dir /data", "local_dir /data /more"+strings.Repeat("x", i), 1))
	}
	close(stop)
	fast.Wait()
	if answered.Load() != reached.Load() {
		t.Errorf("%d requests reached Livy and %d were answered", reached.Load(), answered.Load())
	}
	t.Logf("%d requests answered over %d reloads; %d connections were closed before a request was read", answered.Load(), reloads, unread.Load())

	answered.Store(0)
	close(hold)
	slow.Wait()
	if answered.Load() != waiting {
		t.Errorf("%d of %d slow requests were answered", answered.Load(), waiting)
	}
	if core.InForce() != before {
		t.Error("a reload made a new core, although Redis and runtime are the same")
	}
	if e, err := before.Manager.Lookup("default", "etl"); err != nil || e.Gateway.Status.Epoch != 1 {
		t.Errorf("the Livy server was started again: %+v, %v", e, err)
	}
}
