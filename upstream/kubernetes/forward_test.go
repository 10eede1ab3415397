package kubernetes

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"

	"go.uber.org/zap/zaptest"
	"k8s.io/apimachinery/pkg/util/httpstream"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/kubeapi/kubeapitest"
)

// TestForwardOpensAnew: after a break, requests reach the pod by another connection.
func TestForwardOpensAnew(t *testing.T) {
	var made []*podConn
	f := &forward{done: make(chan struct{}), logger: zaptest.NewLogger(t), dial: func() (httpstream.Connection, error) {
		made = append(made, &podConn{closed: make(chan bool)})
		return made[len(made)-1], nil
	}}
	ask := func() string {
		here, there := net.Pipe()
		defer here.Close()
		go func() {
			defer there.Close()
			_ = f.forward(there)
		}()
		answer, _ := io.ReadAll(here)
		return string(answer)
	}
	for _, broken := range []func(){
		func() {},
		func() {}, // the same connection
		func() { _ = made[0].Close() },
		func() { made[1].refuses = true }, // nobody has noticed yet that it is broken
	} {
		broken()
		if got := ask(); got != "of the pod" {
			t.Fatalf("answer %q by connection %d", got, len(made))
		}
	}
	if len(made) != 3 {
		t.Errorf("%d connections, want 3", len(made))
	}
	close(f.done)
	f.disconnect(nil)
	if _, _, err := f.connection(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
}

// podConn is a connection to a pod that answers each request.
type podConn struct {
	httpstream.Connection
	once    sync.Once
	closed  chan bool
	refuses bool
}

func (c *podConn) CreateStream(headers http.Header) (httpstream.Stream, error) {
	if c.refuses {
		return nil, io.ErrUnexpectedEOF
	}
	s := &podStream{}
	if headers.Get("Streamtype") == "data" {
		s.Reader = strings.NewReader("of the pod")
	} else {
		s.Reader = strings.NewReader("")
	}
	return s, nil
}

func (c *podConn) Close() error {
	c.once.Do(func() { close(c.closed) })
	return nil
}

func (c *podConn) CloseChan() <-chan bool             { return c.closed }
func (c *podConn) RemoveStreams(...httpstream.Stream) {}

type podStream struct {
	httpstream.Stream
	io.Reader
}

func (*podStream) Write(p []byte) (int, error)  { return len(p), nil }
func (s *podStream) Read(p []byte) (int, error) { return s.Reader.Read(p) }
func (*podStream) Close() error                 { return nil }
func (*podStream) Reset() error                 { return nil }

// TestReachPortForward: a server's address is one of this machine, and the same each time.
func TestReachPortForward(t *testing.T) {
	server := kubeapitest.New(t)
	server.Place = runs
	r := connectedTo(t, server)
	r.opts.Reach = ReachPortForward
	inst, err := r.Start(t.Context(), launchOn("local[1]"))
	if err != nil {
		t.Fatal(err)
	}
	other := connectedTo(t, server)
	other.opts.Reach = ReachPortForward
	again, _, err := other.Find(t.Context(), "lc-1")
	if err != nil || again.Address != inst.Address || !strings.HasPrefix(inst.Address, "127.") {
		t.Errorf("addresses %s and %s, %v", inst.Address, again.Address, err)
	}
	if _, err := r.DriverHost(t.Context(), "lc-1"); gateway.KindOf(err) != gateway.KindUnavailable {
		t.Errorf("drivers: %v", err)
	}
	if err := r.Stop(t.Context(), "lc-1", 1); err != nil {
		t.Fatal(err)
	}
	if len(r.forwards.byPod) != 0 {
		t.Errorf("left: %v", r.forwards.byPod)
	}
}
