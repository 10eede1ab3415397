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
	path    string
	headers string // additional header lines, each terminated by \r\n
	pid     int    // the Caddy on the path; 0: none
}

// sample is the result of one measurement.
type sample struct {
	rate      float64         // replies per second
	latencies []time.Duration // of each reply
}

// measure polls t over a number of connections for a duration. Each connection sends its next
// request when it has received the last reply.
func measure(t target, connections int, during time.Duration) (sample, error) {
	request := fmt.Appendf(nil, "GET %s HTTP/1.1\r\nHost: %s\r\nAccept: application/json\r\n%s\r\n", t.path,
		t.addr, t.headers)
	results := make([][]time.Duration, connections)
	errs := make([]error, connections)
	var wg sync.WaitGroup
	start := time.Now()
	for i := range connections {
		wg.Go(func() { results[i], errs[i] = poll(t.addr, request, start.Add(during)) })
	}
	wg.Wait()
	took := time.Since(start)
	for _, err := range errs {
		if err != nil {
			return sample{}, fmt.Errorf("polling %s: %w", t.name, err)
		}
	}
	all := slices.Concat(results...)
	return sample{rate: float64(len(all)) / took.Seconds(), latencies: all}, nil
}

func poll(addr string, request []byte, until time.Time) ([]time.Duration, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	in := bufio.NewReader(conn)
	var took []time.Duration
	for begin := time.Now(); begin.Before(until); {
		if _, err := conn.Write(request); err != nil {
			return nil, err
		}
		status, length, err := readHead(in)
		if err != nil {
			return nil, err
		}
		if !strings.HasPrefix(status, "HTTP/1.1 200") {
			return nil, fmt.Errorf("the reply is %q", status)
		}
		if length != len(session) {
			return nil, fmt.Errorf("the reply has %d bytes, not %d", length, len(session))
		}
		if _, err := in.Discard(length); err != nil {
			return nil, err
		}
		now := time.Now()
		took = append(took, now.Sub(begin))
		begin = now
	}
	return took, nil
}
