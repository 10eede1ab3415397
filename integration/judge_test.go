package integration

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/livygateway/livygateway/internal/require"
)

// judge is a JVM with the jars of one Spark, which reports what that Spark makes of
// a call of spark-submit: judge/Judge.java.
type judge struct {
	spark string // its version
	known inventory

	mu  sync.Mutex
	in  io.Writer
	out *bufio.Reader
	// probe is the class path of the JVMs that the judge starts.
	probe string
	// home is the judge's SPARK_HOME.
	home string
	cmd  *exec.Cmd
}

// inventory is what a Spark knows.
type inventory struct {
	Version string
	// Settings are all keys and, for each, the other names that Spark reads.
	Settings map[string][]string
	// Deprecated are keys that Spark warns of.
	Deprecated []string
	// Mains are the classes of Spark's jars that can be run.
	Mains []string
	// Kubernetes are prefixes of settings for Kubernetes after which any name may follow.
	Kubernetes []string
}

// call is a call of spark-submit.
type call struct {
	Args []string          `json:"args"`
	Env  map[string]string `json:"env"`
	// JVM asks for the heaps too, for which JVMs are started.
	JVM bool `json:"jvm"`
}

// verdict is what Spark makes of a call.
type verdict struct {
	// Failed is a fault of the judge's own.
	Failed string
	// Error is why no application would start.
	Error string
	// Command is what spark-class would run.
	Command []string
	// Submit is SparkSubmit's own view: master, mainClass, proxyUser, files ...
	Submit map[string]string
	// Args are the application's arguments.
	Args []string
	// Unprepared is why Conf is that of the arguments only.
	Unprepared string
	// Conf is the application's settings; Read is each setting as Spark reads it,
	// whatever its spelling, where that is not Spark's default.
	Conf, Read map[string]string
	Executors  struct {
		Initial, Most int64
		Dynamic       bool
		Error         string
	}
	// SubmitJVM is the JVM that spark-submit becomes; it is the driver's in client
	// mode.
	SubmitJVM, DriverJVM, ExecutorJVM *jvm
}

// jvm is what a JVM makes of its options.
type jvm struct {
	Error      string
	ClassPath  string
	Flags      map[string]int64
	Properties map[string]string
	Args       []string
}

// untouched are the arguments of a JVM's main class to which its options added
// nothing.
const untouched = "--judge-arguments--"

// startJudges starts one judge for each Spark: the engine's and another one.
func startJudges(t testing.TB) []*judge {
	t.Helper()
	e := preparedEngine()
	require.Need(t, require.Livy, e != nil, "no engine is prepared (make engine)")
	where, err := exec.Command(filepath.Join(root, "scripts", "prepare-judge"), "--where").Output()
	if err != nil {
		t.Fatal(err)
	}
	other := strings.TrimSpace(string(where))
	_, err = os.Stat(filepath.Join(other, "jars"))
	javac := filepath.Join(e.Java, "bin", "javac")
	_, errJavac := os.Stat(javac)
	require.Need(t, require.Judge, err == nil && errJavac == nil, "no other Spark or no Java compiler is prepared (make judge)")

	dir := t.TempDir()
	classes, probe := filepath.Join(dir, "judge"), filepath.Join(dir, "probe")
	sources := filepath.Join(root, "integration", "judge")
	for _, args := range [][]string{
		{"-nowarn", "-d", classes, "-cp", e.SparkHome + "/jars/*", "-sourcepath", sources, filepath.Join(sources, "Judge.java")},
		{"-d", probe, filepath.Join(sources, "probe", "SparkSubmit.java")},
	} {
		if out, err := exec.Command(javac, args...).CombinedOutput(); err != nil {
			t.Fatalf("compiling the judge: %v\n%s", err, out)
		}
	}
	var all []*judge
	for _, home := range []string{e.SparkHome, other} {
		all = append(all, startJudge(t, filepath.Join(e.Java, "bin", "java"), home, classes, probe))
	}
	return all
}

func startJudge(t testing.TB, java, home, classes, probe string) *judge {
	t.Helper()
	tmp := t.TempDir()
	cmd := exec.Command(java, "-Xmx1g", "-Djava.security.manager=allow", "-Djava.io.tmpdir="+tmp, "-cp", classes+":"+home+"/jars/*", "Judge", probe)
	// As bin/load-spark-env.sh leaves it.
	cmd.Env = []string{"JAVA_HOME=" + filepath.Dir(filepath.Dir(java)), "PATH=" + os.Getenv("PATH"), "SPARK_HOME=" + home, "SPARK_SCALA_VERSION=2.12"}
	cmd.Dir = tmp
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = in.Close()
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
	})
	j := &judge{in: in, out: bufio.NewReaderSize(out, 1<<20), probe: probe, home: home, cmd: cmd}
	if err := j.ask(map[string]bool{"inventory": true}, &j.known); err != nil {
		t.Fatal(err)
	}
	j.spark = j.known.Version
	if len(j.known.Settings) < 300 || len(j.known.Mains) < 10 {
		t.Fatalf("the judge of Spark %q knows %d settings and %d programs", j.spark, len(j.known.Settings), len(j.known.Mains))
	}
	return j
}

func (j *judge) ask(question, answer any) error {
	text, err := json.Marshal(question)
	if err != nil {
		return err
	}
	j.mu.Lock()
	defer j.mu.Unlock()
	if _, err := j.in.Write(append(text, '\n')); err != nil {
		return fmt.Errorf("asking the judge of Spark %s: %w", j.spark, err)
	}
	line, err := j.out.ReadBytes('\n')
	if err != nil {
		return fmt.Errorf("the judge of Spark %s: %w", j.spark, err)
	}
	if err := json.Unmarshal(line, answer); err != nil {
		return fmt.Errorf("the judge of Spark %s: %w: %.300s", j.spark, err, line)
	}
	return nil
}

// say returns what Spark makes of a call.
func (j *judge) say(c call) (*verdict, error) {
	var v verdict
	if err := j.ask(c, &v); err != nil {
		return nil, err
	}
	if v.Failed != "" {
		return nil, fmt.Errorf("the judge of Spark %s failed: %s: on %q", j.spark, v.Failed, c.Args)
	}
	return &v, nil
}

// judge is say in a test.
func (j *judge) judge(t testing.TB, c call) *verdict {
	t.Helper()
	v, err := j.say(c)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// find returns what a verdict says under a name, for cases written by hand: a
// field of SparkSubmit's ("proxyUser"), a setting as Spark reads it or as it is
// ("spark.executor.memory"), "args"; "driverHeap", "driverHeapStart" or "executorHeap" in
// MiB, "driverStack" in KiB.
func (v *verdict) find(name string) string {
	heap := func(j *jvm) string {
		if j == nil || v.SubmitJVM == nil {
			return ""
		}
		return fmt.Sprint(j.Flags["MaxHeapSize"] >> 20)
	}
	switch name {
	case "args":
		return strings.Join(v.Args, " ")
	case "driverHeap":
		return heap(v.DriverJVM)
	case "executorHeap":
		return heap(v.ExecutorJVM)
	case "driverHeapStart":
		return fmt.Sprint(v.SubmitJVM.Flags["InitialHeapSize"] >> 20)
	case "driverStack":
		return fmt.Sprint(v.SubmitJVM.Flags["ThreadStackSize"])
	}
	if s, ok := v.Submit[name]; ok {
		return s
	}
	return v.Conf[name]
}
