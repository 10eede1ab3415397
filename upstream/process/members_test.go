package process

import (
	"bufio"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/eventually"
	"github.com/livygateway/livygateway/upstream"
)

// inSession runs a shell in a session of its own, which prints the id of a process that it has
// started without our marker, and returns both.
func inSession(t *testing.T, script string) (leader *exec.Cmd, child int) {
	t.Helper()
	leader = exec.Command("/bin/sh", "-c", script)
	leader.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	out, err := leader.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := leader.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	if child, err = strconv.Atoi(strings.TrimSpace(line)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(child, syscall.SIGKILL)
		_ = leader.Process.Kill()
		_ = leader.Wait()
	})
	return leader, child
}

func lives(pid int) bool {
	_, err := startTicks(pid)
	return err == nil
}

// note writes the state file of a server.
func note(t *testing.T, r *Runtime, pid int, ticks uint64) {
	t.Helper()
	d := r.dirs("lc-1", 1)
	if err := os.MkdirAll(d.own, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := d.writeState(state{ServerID: "lc-1", PID: pid, Ticks: ticks, Boot: bootID(), Epoch: 1}); err != nil {
		t.Fatal(err)
	}
}

// TestStrangersInASessionOfThatNumber are left alone: the server has ended, and its process id
// was reused by a program that began a session and ended.
func TestStrangersInASessionOfThatNumber(t *testing.T) {
	r := newRuntime(t, Options{Cgroup: NoCgroup})
	leader, stranger := inSession(t, "sleep 300 >/dev/null & echo $!")
	if err := leader.Wait(); err != nil {
		t.Fatal(err)
	}
	note(t, r, leader.Process.Pid, 1)
	if err := r.Stop(t.Context(), "lc-1", upstream.AnyEpoch); err != nil {
		t.Fatal(err)
	}
	if !lives(stranger) {
		t.Error("a process of somebody else was ended")
	}
}

// TestASessionEndsWithItsServer ends the processes of the server's session after the server,
// although these have no marker and outlive the first signal.
func TestASessionEndsWithItsServer(t *testing.T) {
	r := newRuntime(t, Options{Cgroup: NoCgroup, Grace: 300 * time.Millisecond})
	leader, child := inSession(t, `env -i /bin/sh -c 'trap "" TERM; echo $$; while :; do sleep 1; done' & wait`)
	ticks, err := startTicks(leader.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	pid := leader.Process.Pid
	note(t, r, pid, ticks)
	if err := r.Stop(t.Context(), "lc-1", upstream.AnyEpoch); err != nil {
		t.Fatal(err)
	}
	// The leader remains a zombie until the cleanup waits for it. A zombie does not count as alive.
	eventually.True(t, 10*time.Second, "the end of the session", func() bool { return !lives(child) && !lives(pid) })
}

// TestABrokenStateFile counts as a server that has ended: it keeps neither the gateway from
// starting again nor other servers from being listed.
func TestABrokenStateFile(t *testing.T) {
	r := newRuntime(t, Options{})
	l := launch(t, fakeEngine(t))
	inst := started(t, r, l)
	pid, _, _ := strings.Cut(inst.ID, "-")
	server, err := strconv.Atoi(pid)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(r.dirs(l.GatewayID, l.Epoch).state, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if got, ok, err := r.Find(t.Context(), l.GatewayID); ok || err != nil {
		t.Errorf("found %+v, %v", got, err)
	}
	if all, err := r.List(t.Context()); len(all) != 0 || err != nil {
		t.Errorf("listed %+v, %v", all, err)
	}
	l.Epoch++
	if again := started(t, r, l); again.ID == inst.ID {
		t.Errorf("started as %s again", again.ID)
	}
	if lives(server) {
		t.Error("the server without a state lives on")
	}
}

// TestAReusedPIDGetsNoSignal sends nothing to a process that started at another time.
func TestAReusedPIDGetsNoSignal(t *testing.T) {
	_, child := inSession(t, "sleep 300 >/dev/null & echo $!; wait")
	ticks, err := startTicks(child)
	if err != nil {
		t.Fatal(err)
	}
	member{pid: child, ticks: ticks - 1}.signal(syscall.SIGKILL)
	if !lives(child) {
		t.Fatal("another process was ended")
	}
	member{pid: child, ticks: ticks}.signal(syscall.SIGKILL)
	eventually.True(t, 10*time.Second, "the end of the process", func() bool { return !lives(child) })
}

// TestKillingACgroup uses the kernel's file if it is there, and makes none.
func TestKillingACgroup(t *testing.T) {
	with, without := t.TempDir(), t.TempDir()
	file := filepath.Join(with, "cgroup.kill")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, g := range []group{nil, {without}, {with}} {
		g.kill()
	}
	if text, _ := os.ReadFile(file); string(text) != "1" {
		t.Errorf("the kernel was told %q", text)
	}
	if _, err := os.Stat(filepath.Join(without, "cgroup.kill")); err == nil {
		t.Error("a file was made")
	}
}
