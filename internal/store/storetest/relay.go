package storetest

import (
	"bytes"
	"net"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Relay is a TCP relay in front of a Redis, to be cut in several ways.
type Relay struct {
	listener net.Listener
	target   string

	mu     sync.Mutex
	delay  time.Duration
	mode   relayMode
	change chan struct{} // closed when mode changes
	conns  map[net.Conn]struct{}
	opened int
}

type relayMode int

const (
	passing    relayMode = iota
	deafening            // as swallowing, only connections that subscribed
	swallowing           // connections stay open, nothing arrives
	refusing             // connections are closed at once
)

// StartRelay starts a relay to target (host:port) that ends with the test.
func StartRelay(t testing.TB, target string) *Relay {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &Relay{listener: l, target: target, change: make(chan struct{}), conns: map[net.Conn]struct{}{}}
	go r.accept()
	t.Cleanup(func() {
		_ = l.Close()
		r.Refuse()
	})
	return r
}

// Addr returns host:port of the relay.
func (r *Relay) Addr() string { return r.listener.Addr().String() }

// Accepted returns the number of connections so far.
func (r *Relay) Accepted() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.opened
}

// Pass lets everything through, the bytes held back by Swallow included.
func (r *Relay) Pass() { r.set(passing) }

// Swallow keeps connections open and holds back what is sent, like a cut cable.
func (r *Relay) Swallow() { r.set(swallowing) }

// SwallowSubscriptions holds back what is sent over connections that have
// subscribed to a channel, and passes the rest.
func (r *Relay) SwallowSubscriptions() { r.set(deafening) }

// Refuse closes all connections, and new ones as they come.
func (r *Relay) Refuse() {
	r.set(refusing)
	r.Drop()
}

// Drop closes the current connections; new ones are handled according to the mode.
func (r *Relay) Drop() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for c := range r.conns {
		_ = c.Close()
	}
	clear(r.conns)
}

// Delay keeps back for d whatever is sent, each way, as a far server does.
func (r *Relay) Delay(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.delay = d
}

func (r *Relay) delayed() time.Duration {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.delay
}

func (r *Relay) set(m relayMode) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.mode = m
	close(r.change)
	r.change = make(chan struct{})
}

func (r *Relay) state() (relayMode, <-chan struct{}) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.mode, r.change
}

func (r *Relay) accept() {
	for {
		in, err := r.listener.Accept()
		if err != nil {
			return
		}
		r.mu.Lock()
		r.opened++
		r.mu.Unlock()
		if mode, _ := r.state(); mode == refusing {
			_ = in.Close()
			continue
		}
		out, err := net.Dial("tcp", r.target)
		if err != nil {
			_ = in.Close()
			continue
		}
		r.mu.Lock()
		r.conns[in], r.conns[out] = struct{}{}, struct{}{}
		r.mu.Unlock()
		subscribed := new(atomic.Bool)
		go r.copy(in, out, subscribed)
		go r.copy(out, in, subscribed)
	}
}

func (r *Relay) copy(dst, src net.Conn, subscribed *atomic.Bool) {
	defer func() {
		_ = dst.Close()
		_ = src.Close()
		r.mu.Lock()
		delete(r.conns, dst)
		delete(r.conns, src)
		r.mu.Unlock()
	}()
	buf := make([]byte, 32<<10)
	for {
		n, err := src.Read(buf)
		if bytes.Contains(buf[:n], []byte("\r\nsubscribe\r\n")) {
			subscribed.Store(true)
		}
		for n > 0 {
			mode, change := r.state()
			if mode == refusing {
				return
			}
			if mode == passing || (mode == deafening && !subscribed.Load()) {
				break
			}
			<-change
		}
		if d := r.delayed(); d > 0 && n > 0 {
			time.Sleep(d)
		}
		if _, werr := dst.Write(buf[:n]); werr != nil || err != nil {
			return
		}
	}
}
