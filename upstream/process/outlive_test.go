package process

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/upstream"
	"github.com/livygateway/livygateway/upstream/upstreamtest"
)

// starterEnv makes the test program start a server and wait to be killed.
const starterEnv = "LIVYGATEWAY_TEST_STARTER"

func TestMain(m *testing.M) {
	if raw := os.Getenv(starterEnv); raw != "" {
		if err := starter([]byte(raw)); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

type starterInput struct {
	StateDir string
	Cgroup   string
	Launch   upstream.Launch
}

func starter(raw []byte) error {
	var in starterInput
	if err := json.Unmarshal(raw, &in); err != nil {
		return err
	}
	r, err := New(Options{StateDir: in.StateDir, Cgroup: in.Cgroup}, zap.NewNop())
	if err != nil {
		return err
	}
	inst, err := r.Start(context.Background(), in.Launch)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(inst); err != nil {
		return err
	}
	select {}
}

// runStarter runs starter in a process of its own.
func runStarter(t *testing.T, in starterInput, attr *syscall.SysProcAttr) (*exec.Cmd, upstream.Instance) {
	t.Helper()
	raw, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), starterEnv+"="+string(raw))
	cmd.Stderr, cmd.SysProcAttr = os.Stderr, attr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadBytes('\n')
	if err != nil {
		t.Fatal(err)
	}
	var inst upstream.Instance
	if err := json.Unmarshal(line, &inst); err != nil {
		t.Fatal(err)
	}
	return cmd, inst
}

// The server survives the death of the process that started it, without a
// chance for that one to say goodbye, and is found and stopped by the next.
func TestOutlivesUs(t *testing.T) {
	in := starterInput{StateDir: t.TempDir(), Launch: launch(t, fakeEngine(t))}
	cmd, inst := runStarter(t, in, nil)
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()

	r := newRuntime(t, Options{StateDir: in.StateDir})
	t.Cleanup(func() { _ = r.Stop(context.Background(), "lc-1", upstream.AnyEpoch) })
	found, ok, err := r.Find(t.Context(), "lc-1")
	if err != nil || !ok || found != inst || !found.Running {
		t.Fatalf("Find = %+v, %v, %v; want %+v", found, ok, err, inst)
	}
	if _, err := upstreamtest.WaitReady(t.Context(), r, inst); err != nil {
		t.Fatal(err)
	}
	if err := r.Stop(t.Context(), "lc-1", upstream.AnyEpoch); err != nil {
		t.Fatal(err)
	}
	if _, err := upstream.GetVersion(t.Context(), inst.Address); err == nil {
		t.Error("it answers after Stop")
	}
}
