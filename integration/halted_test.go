package integration

import (
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/store/storetest"
)

// TestAHaltedInstanceSendsNothingAstray halts one of two Caddys, lets the other one
// restart the gateway, and puts something else where its Livy server was. Requests
// that wait for the halted instance when it goes on reach the new server or none.
func TestAHaltedInstanceSendsNothingAstray(t *testing.T) {
	redis := storetest.StartServer(t)
	block, _ := doubles(t)
	other := newCaddy(t, redis, block) // the first one supervises
	halted := newCaddy(t, redis, block)
	other.newGateway("etl")
	cl := client{t: t, base: "http://" + halted.etl, token: other.newToken("etl").Token}
	address := func() string {
		var g struct{ Status struct{ Address string } }
		other.json(&g, "gateway", "show", "etl", "--json")
		return g.Status.Address
	}
	const rounds, requests = 2, 30
	served := map[int]int{}
	for range rounds {
		eventually(t, 10*time.Second, "both instances serve", func() bool {
			r, err := cl.try("GET", "/batches", nil)
			return err == nil && r.status == http.StatusOK
		})
		was := address()
		if err := halted.cmd.Process.Signal(syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		cont := sync.OnceFunc(func() { _ = halted.cmd.Process.Signal(syscall.SIGCONT) })
		t.Cleanup(cont)
		stopped := time.Now()
		other.livy("gateway", "restart", "etl", "--wait")
		if now := address(); now == was {
			t.Logf("the new server is where the old one was: this round shows nothing")
		}
		var astray atomic.Int64
		decoy := httptest.NewUnstartedServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { astray.Add(1) }))
		_ = decoy.Listener.Close()
		var err error
		if decoy.Listener, err = net.Listen("tcp", was); err != nil {
			t.Fatal(err)
		}
		decoy.Start()
		var wg sync.WaitGroup
		var mu sync.Mutex
		for i := range requests {
			wg.Go(func() {
				var r reply
				if i%3 == 0 {
					r, _ = cl.try("POST", "/batches", map[string]any{"file": "hdfs:///job.py"})
				} else {
					r, _ = cl.try("GET", "/batches", nil)
				}
				mu.Lock()
				served[r.status]++
				mu.Unlock()
			})
		}
		time.Sleep(max(300*time.Millisecond, time.Until(stopped.Add(3*time.Second)))) // they wait in the kernel
		cont()
		wg.Wait()
		decoy.Close()
		if n := astray.Load(); n > 0 {
			t.Errorf("%d requests went to where the Livy server was", n)
		}
	}
	t.Logf("answers by status: %v", served)
	if served[http.StatusOK]+served[http.StatusCreated]+served[http.StatusServiceUnavailable] != rounds*requests || served[http.StatusCreated] == 0 {
		t.Errorf("answers by status: %v", served)
	}
}
