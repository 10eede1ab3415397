package kubernetes

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"go.uber.org/zap"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/httpstream"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"

	"github.com/livygateway/livygateway/internal/kubeapi"
)

// forwards are the servers that this process reaches by way of the API server.
type forwards struct {
	mu     sync.Mutex
	byPod  map[string]*forward
	closed bool
}

// address returns where a pod's server is reached, and forwards what arrives there.
func (f *forwards) address(a *kubeapi.Client, pod *corev1.Pod, logger *zap.Logger) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	address := localAddress(a.Config.Host, a.Namespace, pod.Name)
	if now := f.byPod[pod.Name]; now != nil && now.uid == pod.UID || f.closed {
		return address
	}
	f.end(pod.Name)
	if f.byPod == nil {
		f.byPod = map[string]*forward{}
	}
	n := &forward{
		uid: pod.UID, address: address, done: make(chan struct{}),
		dial:   func() (httpstream.Connection, error) { return dialPod(a, pod.Name) },
		logger: logger.With(zap.String("pod", pod.Name), zap.String("address", address)),
	}
	f.byPod[pod.Name] = n
	go n.run()
	return address
}

// drop ends the forward to a pod.
func (f *forwards) drop(pod string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.end(pod)
}

func (f *forwards) close() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closed = true
	for pod := range f.byPod {
		f.end(pod)
	}
}

// end ends a forward. The caller holds the lock.
func (f *forwards) end(pod string) {
	if n := f.byPod[pod]; n != nil {
		close(n.done)
		go n.disconnect(nil) // which waits for a call that goes on
		delete(f.byPod, pod)
	}
}

// localAddress returns a pod's address on this machine. It is always the same, since gateways keep
// it while Caddy loads another configuration or ends.
func localAddress(host, namespace, pod string) string {
	sum := sha256.Sum256([]byte(host + " " + namespace + "/" + pod))
	return net.JoinHostPort(net.IPv4(127, 1+sum[0]%254, sum[1], 1+sum[2]%254).String(), strconv.Itoa(livyPort))
}

// dialPod opens a connection to a pod, for any number of streams.
func dialPod(a *kubeapi.Client, pod string) (httpstream.Connection, error) {
	url := a.Core.Post().Namespace(a.Namespace).Resource("pods").Name(pod).SubResource("portforward").URL()
	tunnel, err := portforward.NewSPDYOverWebsocketDialer(url, a.Config)
	if err != nil {
		return nil, err
	}
	transport, upgrader, err := spdy.RoundTripperFor(a.Config)
	if err != nil {
		return nil, err
	}
	// API servers before 1.31, and some proxies, know no WebSocket here.
	old := spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, url)
	conn, _, err := portforward.NewFallbackDialer(tunnel, old, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	}).Dial(portforward.PortForwardProtocolV1Name)
	return conn, err
}

// forward forwards connections to one pod.
type forward struct {
	uid     types.UID
	address string
	done    chan struct{}
	dial    func() (httpstream.Connection, error)
	logger  *zap.Logger

	mu   sync.Mutex
	conn httpstream.Connection
	next int // the number of the next request
}

// run listens until the forward ends. While another process, or the configuration before, has the
// address, that one forwards.
func (f *forward) run() {
	const again = 250 * time.Millisecond
	told := false
	for {
		listener, err := net.Listen("tcp", f.address)
		if err == nil {
			f.serve(listener)
			return
		}
		if !told {
			f.logger.Info("cannot listen for a Livy server yet; another Caddy on this machine may do so", zap.Error(err))
			told = true
		}
		select {
		case <-f.done:
			return
		case <-time.After(again):
		}
	}
}

func (f *forward) serve(listener net.Listener) {
	go func() {
		<-f.done
		_ = listener.Close()
	}()
	for {
		conn, err := listener.Accept()
		if errors.Is(err, net.ErrClosed) {
			return
		}
		if err != nil {
			f.logger.Warn("accepting a connection for a Livy server", zap.Error(err))
			time.Sleep(100 * time.Millisecond) // no file may be left
			continue
		}
		go func() {
			defer conn.Close()
			if err := f.forward(conn); err != nil {
				f.logger.Debug("forwarding to a Livy server", zap.Error(err)) // which may still be starting
			}
		}()
	}
}

// forward copies what a local connection and the pod send to each other.
func (f *forward) forward(local net.Conn) error {
	conn, failure, data, err := f.open()
	if err != nil {
		return err
	}
	defer conn.RemoveStreams(failure, data)
	said := make(chan string, 1)
	go func() {
		text, _ := io.ReadAll(io.LimitReader(failure, 4<<10))
		said <- string(text)
	}()
	answered, broken := make(chan struct{}), make(chan struct{})
	go func() {
		_, _ = io.Copy(local, data)
		close(answered)
	}()
	go func() {
		_, err := io.Copy(data, local)
		_ = data.Close() // there is no more; the answer may still come
		if err != nil {
			close(broken)
		}
	}()
	select {
	case <-answered:
	case <-broken:
	case <-f.done:
	case <-conn.CloseChan():
	}
	// What was not sent would be in the way of other streams.
	_ = data.Reset()
	select {
	case text := <-said:
		if text != "" {
			return errors.New(strings.TrimSpace(text))
		}
	case <-time.After(time.Second):
	}
	return nil
}

// open opens the two streams of a request, anew if the connection has broken.
func (f *forward) open() (conn httpstream.Connection, failure, data httpstream.Stream, err error) {
	for range 2 {
		var number int
		if conn, number, err = f.connection(); err != nil {
			return nil, nil, nil, fmt.Errorf("connecting to the pod: %w", err)
		}
		if failure, data, err = streams(conn, number); err == nil {
			return conn, failure, data, nil
		}
		f.disconnect(conn)
	}
	return nil, nil, nil, fmt.Errorf("opening a stream to the pod: %w", err)
}

func streams(conn httpstream.Connection, number int) (failure, data httpstream.Stream, err error) {
	headers := http.Header{}
	headers.Set(corev1.PortHeader, strconv.Itoa(livyPort))
	headers.Set(corev1.PortForwardRequestIDHeader, strconv.Itoa(number))
	headers.Set(corev1.StreamType, corev1.StreamTypeError)
	if failure, err = conn.CreateStream(headers); err != nil {
		return nil, nil, err
	}
	_ = failure.Close() // nothing is written to it
	headers.Set(corev1.StreamType, corev1.StreamTypeData)
	if data, err = conn.CreateStream(headers); err != nil {
		conn.RemoveStreams(failure)
		return nil, nil, err
	}
	return failure, data, nil
}

// connection returns the connection to the pod and the number of a request.
func (f *forward) connection() (httpstream.Connection, int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.conn != nil {
		select {
		case <-f.conn.CloseChan():
			f.conn = nil
		default:
		}
	}
	if f.conn == nil {
		conn, err := f.dial()
		if err != nil {
			return nil, 0, err
		}
		f.conn = conn
	}
	select {
	case <-f.done:
		_ = f.conn.Close()
		return nil, 0, net.ErrClosed
	default:
	}
	f.next++
	return f.conn, f.next, nil
}

// disconnect closes the connection if it is the given one, or whichever there is.
func (f *forward) disconnect(conn httpstream.Connection) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.conn != nil && (conn == nil || conn == f.conn) {
		_ = f.conn.Close()
		f.conn = nil
	}
}
