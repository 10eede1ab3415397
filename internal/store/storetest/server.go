package storetest

import (
	"context"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/livygateway/livygateway/internal/eventually"
	"github.com/livygateway/livygateway/internal/ports"
	"github.com/livygateway/livygateway/internal/store"
)

// Server is a real redis-server (or redis-sentinel) that belongs to one test.
type Server struct {
	t      testing.TB
	binary string
	args   []string
	addr   string
	dir    string
	cmd    *exec.Cmd
	exited chan struct{}

	password string // see SetPassword
}

// Real opens a patient store on a real redis-server with append-only persistence.
// It skips the test with "needs redis: ..." where there is no such program.
func Real(t testing.TB, args ...string) (*store.Store, *Server) {
	t.Helper()
	srv := StartServer(t, args...)
	return Open(t, store.Options{Addrs: []string{srv.Addr()}, Timeout: Patience}), srv
}

// StartServer starts a redis-server on a spare port and waits until it answers.
// args are further options, e.g. "--maxmemory", "2mb".
func StartServer(t testing.TB, args ...string) *Server {
	t.Helper()
	var beside []int
	if slices.Contains(args, "--cluster-enabled") {
		beside = append(beside, ports.ClusterBus)
	}
	port := ports.Spare(t, beside...)
	dir := t.TempDir()
	base := []string{
		"--port", strconv.Itoa(port), "--bind", "127.0.0.1", "--dir", dir,
		// What was answered is with the kernel, so that it outlives the server, and
		// no answer waits for the disk, which may be busy for a second.
		"--appendonly", "yes", "--appendfsync", "no", "--save", "", "--repl-diskless-sync-delay", "0", "--logfile", filepath.Join(dir, "redis.log"),
	}
	s := &Server{t: t, binary: "redis-server", args: append(base, args...), addr: "127.0.0.1:" + strconv.Itoa(port), dir: dir}
	s.launch()
	s.AwaitReply("PING", "PONG")
	return s
}

// StartReplica starts a redis-server that copies another, and waits until it
// is in step.
func StartReplica(t testing.TB, primary *Server) *Server {
	t.Helper()
	host, port, _ := net.SplitHostPort(primary.addr)
	s := StartServer(t, "--replicaof", host+" "+port)
	s.AwaitReply("INFO replication", "master_link_status:up")
	eventually.True(t, time.Minute, "the replica confirming", func() bool {
		v, err := primary.Do("WAIT", 1, 1000)
		return err == nil && v == int64(1)
	})
	return s
}

func (s *Server) launch() {
	s.t.Helper()
	path, err := exec.LookPath(s.binary)
	if err != nil {
		Needs(s.t, "redis", "no "+s.binary+" on the PATH")
	}
	cmd := exec.Command(path, s.args...)
	if err := cmd.Start(); err != nil {
		s.t.Fatal(err)
	}
	exited := make(chan struct{})
	go func() { _ = cmd.Wait(); close(exited) }()
	s.cmd, s.exited = cmd, exited
	s.t.Cleanup(func() { _ = cmd.Process.Kill(); <-exited })
}

// Addr returns host:port.
func (s *Server) Addr() string { return s.addr }

// Dir returns the directory of the server's files.
func (s *Server) Dir() string { return s.dir }

// Kill ends the server at once, as a crash does.
func (s *Server) Kill() {
	s.t.Helper()
	s.signal(syscall.SIGKILL)
	<-s.exited
}

// Stop pauses the server: it keeps its connections and does not answer.
func (s *Server) Stop() { s.t.Helper(); s.signal(syscall.SIGSTOP) }

// Cont resumes a paused server.
func (s *Server) Cont() { s.t.Helper(); s.signal(syscall.SIGCONT) }

// Restart starts a killed server again, with the data it had.
func (s *Server) Restart() {
	s.t.Helper()
	s.launch()
	s.AwaitReply("PING", "PONG")
}

// RestartLoading starts a killed server again from a dump (see SAVE) and
// returns while it is loading, at a thousandth of a second for each key.
func (s *Server) RestartLoading() {
	s.t.Helper()
	usual := s.args
	s.args = append(slices.Clone(usual), "--appendonly", "no", "--key-load-delay", "1000", "--loading-process-events-interval-bytes", "1024")
	s.launch()
	s.args = usual
	eventually.True(s.t, time.Minute, "the server loading", func() bool {
		_, err := s.Do("GET", "x")
		return err != nil && strings.HasPrefix(err.Error(), "LOADING")
	})
}

func (s *Server) signal(sig syscall.Signal) {
	s.t.Helper()
	if err := s.cmd.Process.Signal(sig); err != nil {
		s.t.Fatalf("signal %s to %s: %v", sig, s.binary, err)
	}
}

// Do sends one command over a connection of its own, past the store.
func (s *Server) Do(args ...any) (any, error) { return do(s.addr, s.password, args) }

// MustDo is Do for commands that have to succeed.
func (s *Server) MustDo(args ...any) any {
	s.t.Helper()
	v, err := s.Do(args...)
	if err != nil {
		s.t.Fatalf("%v: %v", args, err)
	}
	return v
}

// SetPassword changes the server's password ("" for none) and closes the connections that used the
// old one.
func (s *Server) SetPassword(password string) {
	s.t.Helper()
	s.MustDo("CONFIG", "SET", "requirepass", password)
	s.password = password
	s.MustDo("CLIENT", "KILL", "SKIPME", "yes")
}

// Commands returns a function that sends commands to the Redis at addr, past
// the store, and fails the test when one fails.
func Commands(t testing.TB, addr string) func(args ...any) any {
	return func(args ...any) any {
		t.Helper()
		v, err := do(addr, "", args)
		if err != nil {
			t.Fatalf("%v: %v", args, err)
		}
		return v
	}
}

func do(addr, password string, args []any) (any, error) {
	c := redis.NewClient(&redis.Options{Addr: addr, Password: password, MaxRetries: -1, Protocol: 2, DisableIdentity: true})
	defer c.Close()
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	return c.Do(ctx, args...).Result()
}

// AwaitReply repeats a command (its words split at spaces) until the reply
// contains want, and fails the test after a minute.
func (s *Server) AwaitReply(command, want string) {
	s.t.Helper()
	var args []any
	for word := range strings.FieldsSeq(command) {
		args = append(args, word)
	}
	eventually.True(s.t, time.Minute, fmt.Sprintf("%s at %s answering %s with %q", s.binary, s.addr, command, want), func() bool {
		v, err := s.Do(args...)
		return err == nil && strings.Contains(fmt.Sprint(v), want)
	})
}
