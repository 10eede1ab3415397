// Command soak keeps a gateway under mixed load for a long time, while its configuration is reloaded,
// tokens are reset, and gateways are started, stopped and drained. At the end it compares memory,
// goroutines, file descriptors and Redis keys with those of the beginning. It fails if they have
// grown, or if a request failed for which the client is not to blame.
//
//	go run ./bench/soak -binary bin/caddy -for 60m
//	go run ./bench/soak -binary bin/caddy -faults bench/results/faults.md
//
// The Livy servers are test doubles in this process.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/livygateway/livygateway/internal/livy/livytest"
)

func main() {
	binary := flag.String("binary", "bin/caddy", "the Caddy to test")
	during := flag.Duration("for", time.Hour, "duration of the load")
	clients := flag.Int("clients", 16, "number of clients")
	reload := flag.Duration("reload", 30*time.Second, "pause between two reloads")
	faults := flag.String("faults", "", "instead, bring about faults under load, and write what clients saw to this file")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, *binary, *faults, *during, *reload, *clients); err != nil {
		stop()
		fmt.Fprintln(os.Stderr, "soak:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, binary, faults string, during, reload time.Duration, clients int) error {
	dir, err := os.MkdirTemp("", "livygateway-soak-")
	if err != nil {
		return fmt.Errorf("creating a directory: %w", err)
	}
	defer os.RemoveAll(dir)
	s := &site{binary: binary, dir: dir, durable: faults != ""}
	defer s.stop()
	for range 3 {
		double := httptest.NewServer(livytest.New())
		defer double.Close()
		s.doubles = append(s.doubles, double.URL)
	}
	if err := s.start(); err != nil {
		return err
	}
	if faults != "" {
		return s.faults(ctx, faults)
	}
	// What is loaded once and kept (caches, pools, metrics) is there before the first look.
	if err := s.load(ctx, during/10, reload, clients); err != nil {
		return err
	}
	before, err := s.look()
	if err != nil {
		return err
	}
	fmt.Printf("before: %s\n", before)
	if err := s.load(ctx, during, reload, clients); err != nil {
		return err
	}
	after, err := s.look()
	if err != nil {
		return err
	}
	fmt.Printf("after:  %s\n%s", after, s.counts.String())
	return errors.Join(after.grownFrom(&before), s.counts.failure())
}

// load runs everything for a while.
func (s *site) load(interrupted context.Context, during, reload time.Duration, clients int) error {
	ctx, cancel := context.WithTimeout(interrupted, during)
	defer cancel()
	var wg sync.WaitGroup
	for i := range clients {
		wg.Go(func() { s.client(ctx, i) })
	}
	for name, chore := range map[string]struct {
		every time.Duration
		do    func(n int) error
	}{
		"reload": {reload, func(int) error { return s.reload() }},
		"reset":  {7 * time.Second, s.resetToken},
		"stop and start": {20 * time.Second, func(n int) error {
			return s.manage("POST", "/gateways/second/"+[]string{"stop", "start"}[n%2], "", nil)
		}},
		"drain": {2*reload + reload/2, func(int) error { return s.drain() }},
	} {
		wg.Go(func() { s.chore(ctx, name, chore.every, chore.do) })
	}
	wg.Wait()
	if interrupted.Err() != nil {
		return errors.New("interrupted")
	}
	return nil
}

func (s *site) chore(ctx context.Context, name string, every time.Duration, do func(n int) error) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for n := 0; ; n++ {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		if err := do(n); err != nil && ctx.Err() == nil {
			s.counts.fail(name, err)
		} else {
			s.counts.add(name)
		}
	}
}

// counts are numbers of requests and chores, and of their failures by what they say.
type counts struct {
	mu    sync.Mutex
	done  map[string]int
	fails map[string]int
}

func (c *counts) add(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.done == nil {
		c.done, c.fails = make(map[string]int), make(map[string]int)
	}
	c.done[name]++
}

func (c *counts) fail(name string, err error) {
	c.add(name)
	c.mu.Lock()
	defer c.mu.Unlock()
	text := name + ": " + err.Error()
	if len(c.fails) < 50 || c.fails[text] > 0 {
		c.fails[text]++
	}
}

func (c *counts) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var b strings.Builder
	for name, n := range c.done {
		fmt.Fprintf(&b, "%8d × %s\n", n, name)
	}
	for text, n := range c.fails {
		fmt.Fprintf(&b, "%8d failed: %s\n", n, text)
	}
	return b.String()
}

func (c *counts) failure() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	var errs []error
	if len(c.fails) > 0 {
		errs = append(errs, fmt.Errorf("%d kinds of failures", len(c.fails)))
	}
	if reloads := c.done["reload"] + c.done["drain"]; c.done[cut] > cutsPerReload*reloads {
		errs = append(errs, fmt.Errorf("%d connections were cut by %d reloads", c.done[cut], reloads))
	}
	return errors.Join(errs...)
}

// caddyfile writes the configuration with one of the doubles as the engine of the first gateway.
func (s *site) caddyfile() error {
	text := fmt.Sprintf(`{
	admin %s
	livy {
		redis %s
		runtime static
		engine first {
			url %s
		}
		engine second {
			url %s
		}
	}
}
http://%s {
	livy_gateway
}
`, s.admin, s.redisURL(), s.doubles[s.moves%2], s.doubles[2], s.address)
	return os.WriteFile(filepath.Join(s.dir, "Caddyfile"), []byte(text), 0o600)
}
