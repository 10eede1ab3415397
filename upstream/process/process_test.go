package process

import (
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/zap/zaptest"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/upstream"
	"github.com/livygateway/livygateway/upstream/upstreamtest"
)

const testGrace = 300 * time.Millisecond

func fakeEngine(t *testing.T) gateway.Engine {
	livyHome, sparkHome := upstreamtest.FakeHomes(t)
	return gateway.Engine{Name: "fake", LivyHome: livyHome, SparkHome: sparkHome, JavaHome: upstreamtest.FakeJava(t)}
}

func newRuntime(t *testing.T, opts Options) *Runtime {
	if opts.StateDir == "" {
		opts.StateDir = t.TempDir()
	}
	if opts.Grace == 0 {
		opts.Grace = testGrace
	}
	r, err := New(opts, zaptest.NewLogger(t))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestConformance(t *testing.T) {
	stateDir := t.TempDir()
	engine := fakeEngine(t)
	noServer, noSpark, noJava := engine, engine, engine
	noServer.LivyHome = t.TempDir()
	noSpark.SparkHome = ""
	noJava.JavaHome = t.TempDir()
	upstreamtest.Suite(t, upstreamtest.Harness{
		New:     func(t *testing.T) upstream.Runtime { return newRuntime(t, Options{StateDir: stateDir}) },
		Engine:  engine,
		Broken:  map[string]gateway.Engine{"no server": noServer, "no spark": noSpark, "no java": noJava},
		Version: "0.8.0",
		Fake:    true,
	})
	left, err := os.ReadDir(stateDir)
	if err != nil || len(left) != 0 {
		t.Errorf("left in the state directory: %v, %v", left, err)
	}
}

func launch(t *testing.T, engine gateway.Engine) upstream.Launch {
	spec := gateway.Spec{Name: "g", CPU: 1, Memory: "8Gi"}
	files := upstream.RenderConf(upstream.ConfInput{Master: "local[1]"})
	return upstream.Launch{
		GatewayID: "lc-1", Workspace: "default", Name: "g", CPU: spec.CPU, Memory: spec.MemoryBytes(),
		Engine: engine, Files: files, Env: map[string]string{"HADOOP_CONF_DIR": "/etc/hadoop"},
	}
}

// started starts a fake server, waits for it and stops it at the end.
func started(t *testing.T, r *Runtime, l upstream.Launch) upstream.Instance {
	t.Helper()
	inst, err := r.Start(t.Context(), l)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Stop(context.Background(), l.GatewayID, upstream.AnyEpoch) })
	if _, err := upstreamtest.WaitReady(t.Context(), r, inst); err != nil {
		t.Fatal(err)
	}
	return inst
}

func TestEnvironment(t *testing.T) {
	t.Setenv("LIVY_REDIS_URL", "redis://:secret@localhost/0")
	r := newRuntime(t, Options{})
	l := launch(t, fakeEngine(t))
	inst := started(t, r, l)
	env := upstreamtest.Get(t, inst.Address, "/env")
	d := r.dirs("lc-1", 0)
	for _, want := range []string{
		"LIVY_CONF_DIR=" + d.conf, "SPARK_CONF_DIR=" + d.conf, "HOME=" + d.work, "SPARK_HOME=" + l.Engine.SparkHome,
		"JAVA_HOME=" + l.Engine.JavaHome, "PYSPARK_PYTHON=python3", "HADOOP_CONF_DIR=/etc/hadoop",
		"SPARK_LOCAL_IP=127.0.0.1", "LIVY_SERVER_JAVA_OPTS=-Xmx1024m -XX:+ExitOnOutOfMemoryError --add-opens=java.base/java.io=ALL-UNNAMED",
	} {
		if !strings.Contains(env, want) {
			t.Errorf("the environment has no %s:\n%s", want, env)
		}
	}
	if strings.Contains(env, "secret") {
		t.Errorf("our own environment was passed on:\n%s", env)
	}
	if conf := upstreamtest.Get(t, inst.Address, "/conf/livy.conf"); !strings.Contains(conf, "livy.server.host = 127.0.0.1\n") ||
		!strings.Contains(conf, "livy.spark.master = local[1]\n") {
		t.Errorf("livy.conf:\n%s", conf)
	}
}

func TestPython(t *testing.T) {
	home := t.TempDir()
	prepared := filepath.Join(home, "python", "bin", "python3")
	if err := os.MkdirAll(filepath.Dir(prepared), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(prepared, nil, 0o755); err != nil {
		t.Fatal(err)
	}
	beside := filepath.Join(home, "spark")
	for name, tt := range map[string]struct{ spark, python, master, want string }{
		"prepared":                  {beside, "", "local[2]", prepared},
		"the engine's":              {beside, "/opt/py/bin/python", "local[2]", "/opt/py/bin/python"},
		"none prepared":             {filepath.Join(t.TempDir(), "spark"), "", "local[2]", "python3"},
		"executors are not with us": {beside, "", "yarn", "python3"},
	} {
		l := upstream.Launch{Master: tt.master, Engine: gateway.Engine{SparkHome: tt.spark, Python: tt.python}}
		if got := pythonOf(l); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

func TestCores(t *testing.T) {
	r := newRuntime(t, Options{})
	inst := started(t, r, launch(t, fakeEngine(t)))
	if who := upstreamtest.Get(t, inst.Address, "/whoami"); !strings.HasSuffix(who, "cpus=1") {
		t.Errorf("a gateway of one core has %s", who)
	}
}

func TestOtherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: only root starts processes of other users")
	}
	dir, err := os.MkdirTemp("/tmp", "livygw")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o711); err != nil {
		t.Fatal(err)
	}
	r := newRuntime(t, Options{User: "nobody", StateDir: dir})
	l := launch(t, fakeEngine(t))
	l.Archives = []upstream.Archive{{Name: "env", Path: filepath.Join(dir, "env.zip")}}
	upstreamtest.PackEnvironment(t, l.Archives[0].Path)
	inst := started(t, r, l)
	if who := upstreamtest.Get(t, inst.Address, "/whoami"); strings.HasPrefix(who, "uid=0 ") {
		t.Errorf("runs as %s", who)
	}
	for _, name := range []string{"env", "env/bin/python3", "env/lib", "env/lib/deep/mod.py"} {
		if stat := upstreamtest.Get(t, inst.Address, "/stat/"+name); !strings.Contains(stat, "mine=true") {
			t.Errorf("%s is %s", name, stat)
		}
	}
	if conf := upstreamtest.Get(t, inst.Address, "/conf/livy.conf"); conf == "" {
		t.Error("it cannot read its configuration")
	}
	if found, ok, err := r.Find(t.Context(), inst.GatewayID); err != nil || !ok || !found.Running {
		t.Errorf("found %+v, %v, %v", found, ok, err)
	}
	if info, err := os.Stat(filepath.Join(dir, "lc-1", "0", "state.json")); err != nil || info.Mode().Perm() != 0o600 || info.Sys().(*syscall.Stat_t).Uid != 0 {
		t.Errorf("the state file is not ours alone: %v %v", info, err)
	}
}

// TestOtherUserInAContainer: as root in a container, we may not read the files of processes of
// other users, by which a server's port is known to be its own.
func TestOtherUserInAContainer(t *testing.T) {
	setpriv, err := exec.LookPath("setpriv")
	if os.Geteuid() != 0 || err != nil {
		t.Skip("needs root and setpriv")
	}
	const without = "-sys_ptrace,-sys_admin"
	out, err := exec.Command(setpriv, "--bounding-set", without, "--inh-caps", without, os.Args[0], "-test.run=^TestOtherUser$").CombinedOutput()
	if err != nil {
		t.Errorf("%v\n%s", err, out)
	}
}

func TestUnknownUser(t *testing.T) {
	if _, err := New(Options{StateDir: t.TempDir(), User: "nobody-of-that-name"}, zaptest.NewLogger(t)); gateway.KindOf(err) != gateway.KindInvalid {
		t.Errorf("New: %v; want an error of KindInvalid", err)
	}
}

func running(pid int) bool {
	_, err := startTicks(pid)
	return err == nil
}

// Drivers and Python workers leave the server's process group, and a job's own
// program may leave its session.
func TestStopEndsAllThatWasStarted(t *testing.T) {
	for _, how := range []string{"plain", "group", "session", "bare", "deaf"} {
		t.Run(how, func(t *testing.T) {
			r := newRuntime(t, Options{})
			inst := started(t, r, launch(t, fakeEngine(t)))
			pid, err := strconv.Atoi(upstreamtest.Get(t, inst.Address, "/spawn?how="+how))
			if err != nil || !running(pid) {
				t.Fatalf("no child: %v", err)
			}
			if err := r.Stop(t.Context(), "lc-1", upstream.AnyEpoch); err != nil {
				t.Fatal(err)
			}
			if running(pid) {
				t.Errorf("child %d still runs", pid)
			}
		})
	}
}

func TestStartEndsWhatACrashLeft(t *testing.T) {
	r := newRuntime(t, Options{})
	l := launch(t, fakeEngine(t))
	inst := started(t, r, l)
	child, err := strconv.Atoi(upstreamtest.Get(t, inst.Address, "/spawn?how=group"))
	if err != nil {
		t.Fatal(err)
	}
	server, _, _ := strings.Cut(inst.ID, "-")
	pid, _ := strconv.Atoi(server)
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	for end := time.Now().Add(30 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		now, ok, err := r.Find(t.Context(), "lc-1")
		if err == nil && ok && !now.Running && now.Exit == "killed by signal killed" {
			break
		}
		if time.Now().After(end) {
			t.Fatalf("Find = %+v, %v, %v", now, ok, err)
		}
	}
	if !running(child) {
		t.Fatal("the child did not outlive the crash; this test shows nothing")
	}
	started(t, r, l)
	if running(child) {
		t.Errorf("child %d of the crashed server still runs", child)
	}
}

// A process that has the number of a server that ended long ago is a stranger.
func TestReusedPIDIsLeftAlone(t *testing.T) {
	stranger := exec.Command("sleep", "60")
	if err := stranger.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = stranger.Process.Kill(); _ = stranger.Wait() })
	ticks, err := startTicks(stranger.Process.Pid)
	if err != nil {
		t.Fatal(err)
	}
	for name, s := range map[string]state{
		"started at another time": {Ticks: ticks - 1, Boot: bootID()},
		"before the last boot":    {Ticks: ticks, Boot: "another"},
	} {
		t.Run(name, func(t *testing.T) {
			r := newRuntime(t, Options{})
			d := r.dirs("lc-1", 0)
			if err := os.MkdirAll(d.own, 0o755); err != nil {
				t.Fatal(err)
			}
			s.ServerID, s.PID, s.Port = "lc-1", stranger.Process.Pid, 1
			if err := d.writeState(s); err != nil {
				t.Fatal(err)
			}
			inst, ok, err := r.Find(t.Context(), "lc-1")
			if err != nil || !ok || inst.Running || inst.Exit == "" {
				t.Errorf("Find = %+v, %v, %v", inst, ok, err)
			}
			if err := r.Stop(t.Context(), "lc-1", upstream.AnyEpoch); err != nil {
				t.Fatal(err)
			}
			if !running(stranger.Process.Pid) {
				t.Fatal("a stranger was killed")
			}
		})
	}
}

func TestBoundedLog(t *testing.T) {
	r := newRuntime(t, Options{MaxLog: 4 << 10})
	inst := started(t, r, launch(t, fakeEngine(t)))
	for range 10 {
		upstreamtest.Get(t, inst.Address, "/say?line="+strings.Repeat("x", 1000))
	}
	upstreamtest.Get(t, inst.Address, "/say?line=before")
	if _, _, err := r.Find(t.Context(), "lc-1"); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(r.dirs("lc-1", 0).log); err != nil || info.Size() > 2<<10 {
		t.Errorf("the log has %d bytes, %v", info.Size(), err)
	}
	upstreamtest.Get(t, inst.Address, "/say?line=after")
	lines, err := r.Logs(t.Context(), "lc-1", 2)
	if err != nil || len(lines) != 2 || !strings.HasSuffix(lines[0], "before") || !strings.HasSuffix(lines[1], "after") {
		t.Errorf("the last lines are %q, %v", lines, err)
	}
}

func TestBadGatewayID(t *testing.T) {
	r := newRuntime(t, Options{})
	l := launch(t, fakeEngine(t))
	for _, id := range []string{"", "..", "a/b", ".hidden"} {
		l.GatewayID = id
		if _, err := r.Start(t.Context(), l); gateway.KindOf(err) != gateway.KindInvalid {
			t.Errorf("Start of %q: %v", id, err)
		}
	}
}

func TestProbe(t *testing.T) {
	r := newRuntime(t, Options{})
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		t.Fatal(err)
	}
	flags, err := r.CPUFlags(t.Context(), "lc-1")
	if err != nil || len(flags) == 0 || !strings.Contains(string(text), strings.Join(flags, " ")) {
		t.Errorf("flags %q, %v", flags, err)
	}
	for path, want := range map[string]bool{"/proc/cpuinfo": true, "/nowhere.jar": false} {
		if there, err := r.HasFile(t.Context(), "lc-1", path); err != nil || there != want {
			t.Errorf("%s is there: %v, %v", path, there, err)
		}
	}
}
