package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/livygateway/livygateway/internal/ports"
)

// servers holds the processes that a run starts and stops.
type servers struct {
	binary string
	dir    string // for their files
	cmds   []*exec.Cmd
}

func (s *servers) start(name string, env []string, program string, args ...string) error {
	log, err := os.Create(filepath.Join(s.dir, name+".log"))
	if err != nil {
		return fmt.Errorf("opening the log of %s: %w", name, err)
	}
	defer log.Close()
	cmd := exec.Command(program, args...)
	cmd.Env = append(os.Environ(), env...)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting %s: %w", name, err)
	}
	s.cmds = append(s.cmds, cmd)
	return nil
}

// pid returns the pid of the process started last.
func (s *servers) pid() int { return s.cmds[len(s.cmds)-1].Process.Pid }

// cpuTime returns the CPU time of a process so far; 0 without Linux's /proc.
func cpuTime(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	// The name, in parentheses, may contain spaces: field 3 is the first one after it.
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	if len(fields) < 13 {
		return 0
	}
	user, _ := strconv.Atoi(fields[11])
	system, _ := strconv.Atoi(fields[12])
	return time.Duration(user+system) * 10 * time.Millisecond // USER_HZ is 100
}

// stopLast stops the process started last.
func (s *servers) stopLast() {
	last := &servers{cmds: s.cmds[len(s.cmds)-1:]}
	s.cmds = s.cmds[:len(s.cmds)-1]
	last.stop()
}

// stop stops the processes, last started first.
func (s *servers) stop() {
	for _, cmd := range slices.Backward(s.cmds) {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
	}
}

// caddy starts Caddy with one of the Caddyfiles in this directory.
func (s *servers) caddy(file, backend, redis string) (site, admin string, err error) {
	site, admin = sparePort(), sparePort()
	env := []string{
		"BENCH_ADMIN=" + admin, "BENCH_SITE=" + site, "BENCH_BACKEND=" + backend, "BENCH_REDIS=" + redis,
		"XDG_DATA_HOME=" + s.dir, "XDG_CONFIG_HOME=" + s.dir,
	}
	err = s.start(file, env, s.binary, "run", "--config", filepath.Join("bench", file), "--adapter", "caddyfile")
	if err != nil {
		return "", "", err
	}
	return site, admin, s.await(file, site)
}

// redis starts a redis-server. Without one on this machine the gateway uses its embedded Redis,
// whose commands are not counted.
func (s *servers) redis() (setting, addr string, err error) {
	program, err := exec.LookPath("redis-server")
	if err != nil {
		return "embedded", "", nil
	}
	addr = sparePort()
	_, port, _ := net.SplitHostPort(addr)
	err = s.start("redis", nil, program, "--bind", "127.0.0.1", "--port", port, "--save", "", "--dir", s.dir)
	if err != nil {
		return "", "", err
	}
	return "redis://" + addr + "/0", addr, s.await("redis", addr)
}

func (s *servers) await(name, addr string) error {
	for range 200 {
		if conn, err := net.Dial("tcp", addr); err == nil {
			return conn.Close()
		}
		time.Sleep(50 * time.Millisecond)
	}
	log, _ := os.ReadFile(filepath.Join(s.dir, name+".log"))
	return fmt.Errorf("%s does not answer at %s:\n%s", name, addr, log)
}

// gateway creates a running gateway with a token and a session in it, and
// returns how to poll that session.
func (s *servers) gateway(site, admin string) (target, error) {
	var token struct{ Token string }
	if _, err := s.livy(admin, "gateway", "create", "bench", "--start", "--wait", "--json"); err != nil {
		return target{}, err
	}
	out, err := s.livy(admin, "token", "create", "--gateway", "bench", "--json")
	if err != nil {
		return target{}, err
	}
	if err := json.Unmarshal(out, &token); err != nil {
		return target{}, fmt.Errorf("reading the new token: %w", err)
	}
	path := "/api/v1/workspace/default/livycompute/bench/sessions"
	req, err := http.NewRequest(http.MethodPost, "http://"+site+path, strings.NewReader(`{"kind":"pyspark"}`))
	if err != nil {
		return target{}, err
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("x-acs-spark-livy-token", token.Token)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return target{}, fmt.Errorf("opening a session: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusCreated {
		return target{}, fmt.Errorf("opening a session: %s", res.Status)
	}
	return target{
		name: "gateway", addr: site, prefix: strings.TrimSuffix(path, "/sessions"),
		headers: "x-acs-spark-livy-token: " + token.Token + "\r\n",
	}, nil
}

func (s *servers) livy(admin string, args ...string) ([]byte, error) {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, s.binary, append([]string{"livy", "--address", admin}, args...)...)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("caddy livy %s: %w", strings.Join(args, " "), err)
	}
	return out, nil
}

// redisCommands returns the number of commands that a Redis has processed.
func redisCommands(addr string) (int, error) {
	conn, err := net.Dial("tcp", addr)
	if err != nil {
		return 0, fmt.Errorf("asking Redis: %w", err)
	}
	defer conn.Close()
	if _, err := conn.Write([]byte("INFO stats\r\n")); err != nil {
		return 0, fmt.Errorf("asking Redis: %w", err)
	}
	lines := bufio.NewScanner(conn)
	for lines.Scan() {
		if n, ok := strings.CutPrefix(strings.TrimSpace(lines.Text()), "total_commands_processed:"); ok {
			return strconv.Atoi(n)
		}
	}
	return 0, fmt.Errorf("asking Redis: no total_commands_processed in the reply")
}

// sparePort returns a local address on which nothing listens, and that nobody else is given while
// this process runs.
func sparePort() string {
	port, _, err := ports.Reserve()
	if err != nil {
		return "127.0.0.1:0" // whoever uses it reports that
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}
