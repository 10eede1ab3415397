package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/livygateway/livygateway/internal/ports"
)

// site is the Caddy under test, and its Redis.
type site struct {
	binary, dir           string
	admin, address, redis string
	doubles               []string
	cmds                  []*exec.Cmd // in the order of their start
	redisCmd              *exec.Cmd
	durable, withSentinel bool
	sentinel              string // its address
	caddyPID              int
	counts                counts

	loading sync.Mutex
	moves   int // how often the first gateway has changed its server

	reloading  atomic.Bool
	reloadedAt atomic.Int64 // Unix time in milliseconds

	mu     sync.Mutex
	tokens [3]token // two of the first gateway, one of the second
}

type token struct {
	ID      string `json:"id"`
	Text    string `json:"token"`
	gateway string
}

func (s *site) start() error {
	for _, address := range []*string{&s.redis, &s.admin, &s.address} {
		if err := reserve(address); err != nil {
			return err
		}
	}
	if err := s.startRedis(); err != nil {
		return err
	}
	if s.withSentinel {
		if err := errors.Join(s.startSentinel(), s.awaitReplica()); err != nil {
			return err
		}
	}
	if err := s.caddyfile(); err != nil {
		return err
	}
	if err := s.run(s.binary, "run", "--config", filepath.Join(s.dir, "Caddyfile"), "--adapter", "caddyfile"); err != nil {
		return err
	}
	s.caddyPID = s.cmds[len(s.cmds)-1].Process.Pid
	if err := s.awaitReady(); err != nil {
		return err
	}
	for _, name := range []string{"first", "second"} {
		if err := s.manage("POST", "/gateways", fmt.Sprintf(`{"name":%q,"engine":%q,"start":true}`, name, name), nil); err != nil {
			return err
		}
	}
	if err := s.awaitRunning("first", "second"); err != nil {
		return err
	}
	for i := range s.tokens {
		s.tokens[i].gateway = []string{"first", "first", "second"}[i]
		if err := s.manage("POST", "/gateways/"+s.tokens[i].gateway+"/tokens", fmt.Sprintf(`{"name":"soak-%d"}`, i), &s.tokens[i]); err != nil {
			return err
		}
	}
	return nil
}

// reserve chooses an address.
func reserve(address *string) error {
	port, _, err := ports.Reserve()
	*address = net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
	return err
}

func (s *site) run(program string, args ...string) error {
	log, err := os.Create(filepath.Join(s.dir, filepath.Base(program)+".log"))
	if err != nil {
		return fmt.Errorf("opening a log: %w", err)
	}
	defer log.Close()
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), "XDG_DATA_HOME="+s.dir, "XDG_CONFIG_HOME="+s.dir)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", program, err)
	}
	s.cmds = append(s.cmds, cmd)
	return nil
}

func (s *site) stop() {
	for _, cmd := range slices.Backward(s.cmds) {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}
}

func (s *site) awaitReady() (err error) {
	for range 300 {
		if err = s.manage("GET", "/gateways", "", nil); err == nil {
			return nil
		}
		time.Sleep(100 * time.Millisecond)
	}
	log, _ := os.ReadFile(filepath.Join(s.dir, filepath.Base(s.binary)+".log"))
	return fmt.Errorf("the gateway does not become ready: %w\n%s", err, log)
}

// awaitRunning waits until gateways run.
func (s *site) awaitRunning(names ...string) error {
	for _, name := range names {
		var g struct {
			Status struct {
				State string `json:"state"`
			} `json:"status"`
		}
		for n := 0; g.Status.State != "Running"; n++ {
			if n == 300 {
				return fmt.Errorf("gateway %s stays in state %s", name, g.Status.State)
			}
			time.Sleep(100 * time.Millisecond)
			if err := s.manage("GET", "/gateways/"+name, "", &g); err != nil {
				return err
			}
		}
	}
	return nil
}

// reload loads the configuration once more.
func (s *site) reload() error {
	s.loading.Lock()
	defer s.loading.Unlock()
	return s.reloadLocked()
}

func (s *site) reloadLocked() error {
	if err := s.caddyfile(); err != nil {
		return err
	}
	s.reloading.Store(true)
	defer func() {
		s.reloadedAt.Store(time.Now().UnixMilli())
		s.reloading.Store(false)
	}()
	out, err := exec.Command(s.binary, "reload", "--address", s.admin, "--config", filepath.Join(s.dir, "Caddyfile"),
		"--adapter", "caddyfile", "--force").CombinedOutput()
	if err != nil {
		return fmt.Errorf("%w: %s", err, out)
	}
	return nil
}

// justReloaded reports whether a reload is under way, or has just ended.
func (s *site) justReloaded() bool {
	return s.reloading.Load() || time.Now().UnixMilli()-s.reloadedAt.Load() < 2000
}

// drain moves the first gateway to another double, while what lives on the present one goes on.
func (s *site) drain() error {
	s.loading.Lock()
	defer s.loading.Unlock()
	s.moves++
	if err := s.reloadLocked(); err != nil {
		return err
	}
	return s.manage("POST", "/gateways/first/restart?drainSeconds=20", "", nil)
}

// resetToken gives a token another text. The old one is good for a while.
func (s *site) resetToken(n int) error {
	i := n % len(s.tokens)
	s.mu.Lock()
	t := s.tokens[i]
	s.mu.Unlock()
	if err := s.manage("POST", "/gateways/"+t.gateway+"/tokens/"+t.ID+"/reset", `{"overlapHours":0.01}`, &t); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.tokens[i] = t
	return nil
}

// manage calls the management API, in the workspace default.
func (s *site) manage(method, path, body string, into any) error {
	r, err := http.NewRequest(method, "http://"+s.admin+"/livy/v1/workspaces/default"+path, strings.NewReader(body))
	if err != nil {
		return err
	}
	r.Header.Set("Content-Type", "application/json")
	r.Close = true // the admin endpoint closes connections when it reloads
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	switch {
	case err != nil:
		return err
	case resp.StatusCode/100 != 2:
		return fmt.Errorf("%d: %.300s", resp.StatusCode, text)
	case into != nil:
		return json.Unmarshal(text, into)
	}
	return nil
}

// urlPath returns the path of a gateway's Livy API, and url its address.
func (s *site) urlPath(path string) string {
	return "/api/v1/workspace/default/livycompute/first" + path
}

func (s *site) url(path string) string { return "http://" + s.address + s.urlPath(path) }
