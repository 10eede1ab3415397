package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"time"
)

// startRedis starts a Redis. For faults, it keeps its data when it is killed; otherwise a disk that is
// slow for a moment would make it miss requests.
func (s *site) startRedis() error {
	err := s.startServer(s.redis)
	if err == nil {
		s.redisCmd = s.cmds[len(s.cmds)-1]
	}
	return err
}

func (s *site) startServer(address string, more ...string) error {
	_, port, _ := net.SplitHostPort(address)
	args := []string{"--bind", "127.0.0.1", "--port", port, "--save", "", "--dir", s.dir}
	if s.durable {
		args = append(args, "--appendonly", "yes", "--appenddirname", "redis-"+port, "--appendfsync", "everysec")
	}
	return s.run("redis-server", append(args, more...)...)
}

// startSentinel gives Redis a replica, and a Sentinel that makes it the primary when that does not
// answer for a second.
func (s *site) startSentinel() error {
	var replica, sentinel string
	for _, address := range []*string{&replica, &sentinel} {
		if err := reserve(address); err != nil {
			return err
		}
	}
	_, port, _ := net.SplitHostPort(s.redis)
	if err := s.startServer(replica, "--replicaof", "127.0.0.1 "+port, "--repl-diskless-sync-delay", "0"); err != nil {
		return err
	}
	_, own, _ := net.SplitHostPort(sentinel)
	file := filepath.Join(s.dir, "sentinel.conf")
	if err := os.WriteFile(file, fmt.Appendf(nil, `port %s
bind 127.0.0.1
sentinel monitor soak 127.0.0.1 %s 1
sentinel down-after-milliseconds soak 1000
sentinel failover-timeout soak 5000
`, own, port), 0o600); err != nil {
		return err
	}
	s.sentinel = sentinel
	return s.run("redis-sentinel", file)
}

// awaitReplica waits until the Sentinel knows the replica, for which it asks every ten seconds.
func (s *site) awaitReplica() error {
	for range 40 {
		if line, err := replyOf(s.sentinel, "SENTINEL REPLICAS soak"); err == nil && line == "*1" {
			return nil
		}
		time.Sleep(500 * time.Millisecond)
	}
	return errors.New("the Sentinel does not find the replica")
}

func (s *site) redisURL() string {
	if s.sentinel != "" {
		return "redis+sentinel://" + s.sentinel + "/soak/0"
	}
	return "redis://" + s.redis + "/0"
}

func (s *site) signalRedis(sig syscall.Signal) error { return s.redisCmd.Process.Signal(sig) }

func (s *site) killRedis() error {
	s.cmds = slices.DeleteFunc(s.cmds, func(c *exec.Cmd) bool { return c == s.redisCmd })
	err := s.redisCmd.Process.Kill()
	_ = s.redisCmd.Wait()
	return err
}
