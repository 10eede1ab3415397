package main

import (
	"bufio"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"time"
)

// target is one path to the backend.
type target struct {
	name    string
	addr    string // host:port
	prefix  string // of all paths
	headers string // additional header lines, each terminated by \r\n
	pid     int    // the Caddy on the path; 0: none
	// pollsOnly is set for a second path through a server that is there for polls alone.
	pollsOnly bool
}

// sample is the result of one measurement.
type sample struct {
	rate      float64         // replies per second
	latencies []time.Duration // of each reply
}

// load is how requests are sent.
type load struct {
	connections int
	during      time.Duration
	// rate is the number of requests per second over all connections, sent whether or not earlier
	// ones were answered in time; 0: each connection sends its next request when it has the reply.
	rate float64
}

// measure does some work through t.
func measure(t *target, w *work, l load) (sample, error) {
	requests := w.requests(t)
	results := make([][]time.Duration, l.connections)
	errs := make([]error, l.connections)
	var wg sync.WaitGroup
	start := time.Now()
	for i := range l.connections {
		wg.Go(func() {
			c := client{target: t, requests: requests, until: start.Add(l.during)}
			if l.rate > 0 {
				c.every = time.Duration(float64(l.connections) / l.rate * float64(time.Second))
				c.next = start.Add(c.every * time.Duration(i) / time.Duration(l.connections))
			}
			results[i], errs[i] = c.run()
		})
	}
	wg.Wait()
	took := time.Since(start)
	for _, err := range errs {
		if err != nil {
			return sample{}, fmt.Errorf("%s through %s: %w", w.name, t.name, err)
		}
	}
	all := slices.Concat(results...)
	return sample{rate: float64(len(all)) / took.Seconds(), latencies: all}, nil
}

// client is one connection.
type client struct {
	*target
	requests [][]byte
	until    time.Time
	every    time.Duration // between two requests of an open loop
	next     time.Time
}

func (c *client) run() (took []time.Duration, err error) {
	conn, err := net.Dial("tcp", c.addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	for n := 0; ; n++ {
		begin := time.Now()
		if c.every > 0 {
			if wait := c.next.Sub(begin); wait > 0 {
				time.Sleep(wait)
				begin = time.Now()
			} else {
				begin = c.next // it waited for the last reply
			}
			c.next = c.next.Add(c.every)
		}
		if !begin.Before(c.until) || !time.Now().Before(c.until) {
			return took, nil
		}
		if _, err := conn.Write(c.requests[n%len(c.requests)]); err != nil {
			return nil, err
		}
		h, err := readHead(in)
		if err != nil {
			return nil, err
		}
		if !strings.HasPrefix(h.first, "HTTP/1.1 20") {
			return nil, fmt.Errorf("the reply is %q", h.first)
		}
		if err := h.discardBody(in); err != nil {
			return nil, err
		}
		took = append(took, time.Since(begin))
	}
}
