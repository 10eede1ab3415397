package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"time"
)

// fault is something that goes wrong for a while, or clients that are a burden.
type fault struct {
	name       string
	begin, end func() error
	// heals means that nothing ends it but what it happens to.
	heals bool
}

// How long the load runs before, during and after a fault.
const (
	calm     = 5 * time.Second
	lasting  = 20 * time.Second
	recovery = 10 * time.Second
)

func (s *site) allFaults() []fault {
	var open []net.Conn
	hangUp := func() error {
		for _, c := range open {
			_ = c.Close()
		}
		open = nil
		return nil
	}
	nothing := func() error { return nil }
	return []fault{
		{"none", nothing, nothing, false},
		{"Redis hangs", func() error { return s.signalRedis(syscall.SIGSTOP) }, func() error { return s.signalRedis(syscall.SIGCONT) }, false},
		{"Redis is killed", s.killRedis, s.startRedis, false},
		{"Redis is full", func() error { return s.askRedis("CONFIG SET maxmemory 1") }, func() error { return s.askRedis("CONFIG SET maxmemory 0") }, false},
		{"10,000 idle connections", func() (err error) { open, err = s.idleConnections(10_000); return err }, hangUp, false},
		{"500 clients that send a byte a second", func() (err error) { open, err = s.slowClients(500); return err }, hangUp, false},
	}
}

// faults brings about one fault after the other under load, and writes a table of what clients saw.
func (s *site) faults(ctx context.Context, file string) error {
	var b strings.Builder
	b.WriteString("| fault, for 20 s | polls/s before | during | after | p99 ms before | during | polls that failed | creates that failed " +
		"| next create after | resident MB |\n|---|---|---|---|---|---|---|---|---|---|\n")
	for _, f := range s.allFaults() {
		if err := s.suffer(ctx, f, &b); err != nil {
			return fmt.Errorf("%s: %w", f.name, err)
		}
	}
	if err := s.failOver(ctx, &b); err != nil {
		return fmt.Errorf("a failover of Redis: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("creating the folder of results: %w", err)
	}
	if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
		return fmt.Errorf("writing the results: %w", err)
	}
	return nil
}

// failOver kills the primary of another Redis, which has a replica.
func (s *site) failOver(ctx context.Context, into io.Writer) error {
	dir := filepath.Join(s.dir, "failover")
	if err := os.Mkdir(dir, 0o700); err != nil {
		return err
	}
	other := &site{binary: s.binary, dir: dir, doubles: s.doubles, durable: true, withSentinel: true}
	defer other.stop()
	if err := other.start(); err != nil {
		return err
	}
	return other.suffer(ctx, fault{
		name: "Redis is killed, a Sentinel promotes its replica", begin: other.killRedis, end: func() error { return nil }, heals: true,
	}, into)
}

// suffer runs load before, during and after a fault, and writes a line of the table.
func (s *site) suffer(parent context.Context, f fault, into io.Writer) error {
	ctx, cancel := context.WithCancel(parent)
	defer cancel()
	seen := &samples{}
	var wg sync.WaitGroup
	for i := range 10 {
		wg.Go(func() { s.sample(ctx, seen, i < 2) })
	}
	pause := func(d time.Duration) {
		select {
		case <-ctx.Done():
		case <-time.After(d):
		}
	}
	pause(calm)
	began := time.Now()
	if err := f.begin(); err != nil {
		return errors.Join(err, f.end())
	}
	since := time.Now()
	pause(lasting)
	resident := s.residentMB()
	ended := time.Now()
	if err := f.end(); err != nil {
		return err
	}
	pause(recovery)
	cancel()
	wg.Wait()
	if parent.Err() != nil {
		return errors.New("interrupted")
	}
	before, during, after := seen.between(time.Time{}, began), seen.between(began, ended), seen.between(ended, time.Now())
	again := "none"
	if !f.heals {
		since = ended
	}
	for _, r := range seen.between(since, time.Now()) {
		if r.create && r.ok() {
			again = fmt.Sprintf("%.1f s", r.at.Add(r.took).Sub(since).Seconds())
			break
		}
	}
	line := fmt.Sprintf("| %s | %.0f | %.0f | %.0f | %.1f | %.1f | %s | %s | %s | %.0f |\n", f.name,
		rate(before, calm), rate(during, lasting), rate(after, recovery), p99(before), p99(during),
		failures(during, after, false), failures(during, after, true), again, resident)
	fmt.Print(line)
	_, err := io.WriteString(into, line)
	return err
}

// request is one request of the load: status is 0 if there was no reply.
type request struct {
	at     time.Time
	took   time.Duration
	create bool
	status int
}

func (r *request) ok() bool { return r.status/100 == 2 }

type samples struct {
	mu  sync.Mutex
	all []request
}

func (s *samples) add(r request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, r)
}

// between returns the requests that began in a time, in order.
func (s *samples) between(from, to time.Time) (some []request) {
	for _, r := range s.all {
		if !r.at.Before(from) && r.at.Before(to) {
			some = append(some, r)
		}
	}
	slices.SortFunc(some, func(a, b request) int { return a.at.Add(a.took).Compare(b.at.Add(b.took)) })
	return some
}

func rate(all []request, in time.Duration) float64 {
	n := 0
	for i := range all {
		if !all[i].create && all[i].ok() {
			n++
		}
	}
	return float64(n) / in.Seconds()
}

func p99(all []request) float64 {
	var took []time.Duration
	for _, r := range all {
		if !r.create {
			took = append(took, r.took)
		}
	}
	if len(took) == 0 {
		return 0
	}
	slices.Sort(took)
	return float64(took[len(took)*99/100].Microseconds()) / 1000
}

// failures returns how many polls or creates failed, by status.
func failures(during, after []request, creates bool) string {
	n, byStatus := 0, map[int]int{}
	for _, r := range slices.Concat(during, after) {
		if r.create != creates {
			continue
		}
		n++
		if !r.ok() {
			byStatus[r.status]++
		}
	}
	var texts []string
	for status, m := range byStatus {
		what := fmt.Sprint(status)
		if status == 0 {
			what = "no reply"
		}
		texts = append(texts, fmt.Sprintf("%d with %s", m, what))
	}
	slices.Sort(texts)
	if len(texts) == 0 {
		return fmt.Sprintf("0 of %d", n)
	}
	return strings.Join(texts, ", ") + fmt.Sprintf(" of %d", n)
}

// sample polls a session, or creates batches, until ctx ends.
func (s *site) sample(ctx context.Context, seen *samples, creates bool) {
	client := &http.Client{Timeout: time.Minute, Transport: &http.Transport{}}
	defer client.CloseIdleConnections()
	method, path, body, pause := http.MethodGet, "/sessions", "", 10*time.Millisecond
	if creates {
		method, path, body, pause = http.MethodPost, "/batches", `{"file":"hdfs:///jobs/job.py"}`, 100*time.Millisecond
	}
	for ctx.Err() == nil {
		r, err := http.NewRequestWithContext(ctx, method, s.url(path), strings.NewReader(body))
		if err != nil {
			return
		}
		r.Header.Set("x-acs-spark-livy-token", s.tokens[0].Text)
		r.Header.Set("Content-Type", "application/json")
		this := request{at: time.Now(), create: creates}
		resp, err := client.Do(r)
		if err == nil {
			this.status = resp.StatusCode
			_, err = io.Copy(io.Discard, resp.Body)
			_ = resp.Body.Close()
		}
		if err != nil {
			this.status = 0
		}
		this.took = time.Since(this.at)
		if ctx.Err() == nil {
			seen.add(this)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
}

// idleConnections opens connections that ask once and stay.
func (s *site) idleConnections(n int) ([]net.Conn, error) {
	return s.connect(n, func(c net.Conn) error {
		if _, err := fmt.Fprintf(c, "GET %s HTTP/1.1\r\nHost: %s\r\nx-acs-spark-livy-token: %s\r\n\r\n",
			s.urlPath("/sessions?size=1"), s.address, s.tokens[0].Text); err != nil {
			return err
		}
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil {
			return err
		}
		_, err = io.Copy(io.Discard, resp.Body)
		return errors.Join(err, resp.Body.Close())
	})
}

// slowClients opens connections that send a create a byte a second.
func (s *site) slowClients(n int) ([]net.Conn, error) {
	return s.connect(n, func(c net.Conn) error {
		_, err := fmt.Fprintf(c, "POST %s HTTP/1.1\r\nHost: %s\r\nx-acs-spark-livy-token: %s\r\n"+
			"Content-Type: application/json\r\nContent-Length: 1000\r\n\r\n", s.urlPath("/batches"), s.address, s.tokens[0].Text)
		go func() {
			for range 1000 { // ends when the connection is closed
				if _, err := io.WriteString(c, " "); err != nil {
					return
				}
				time.Sleep(time.Second)
			}
		}()
		return err
	})
}

func (s *site) connect(n int, use func(net.Conn) error) (open []net.Conn, err error) {
	for range n {
		c, err := net.Dial("tcp", s.address)
		if err != nil {
			return open, err
		}
		open = append(open, c)
		if err := use(c); err != nil {
			return open, err
		}
	}
	return open, nil
}
