package integration

import (
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"sync"
	"testing"

	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// fake is the double of Livy behind a gateway of the static runtime, for what
// no Spark is needed for. It keeps every request as it was received.
type fake struct {
	server *httptest.Server

	mu   sync.Mutex
	seen [][]byte
	hold chan struct{} // requests for statements wait until this is closed
	held chan struct{} // gets one value for each that waits
}

func (f *fake) received() [][]byte {
	f.mu.Lock()
	defer f.mu.Unlock()
	return append([][]byte(nil), f.seen...)
}

// newFake starts Caddy with a gateway "etl" in front of a double of Livy.
func newFake(t testing.TB) (*caddy, *fake, *storetest.Server) {
	t.Helper()
	f := &fake{hold: make(chan struct{}), held: make(chan struct{}, 100)}
	livy := livytest.New()
	f.server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		dump, err := httputil.DumpRequest(r, true)
		if err != nil {
			t.Error(err)
		}
		f.mu.Lock()
		f.seen = append(f.seen, dump)
		f.mu.Unlock()
		if r.Method == http.MethodPost && r.URL.Path == "/sessions/0/statements" {
			f.held <- struct{}{}
			<-f.hold
		}
		livy.ServeHTTP(w, r)
	}))
	t.Cleanup(f.server.Close)
	redis := storetest.StartServer(t)
	c := newCaddy(t, redis, "runtime static\n\t\tengine fake {\n\t\t\turl "+f.server.URL+"\n\t\t}")
	c.newGateway("etl")
	return c, f, redis
}
