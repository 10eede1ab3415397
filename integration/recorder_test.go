package integration

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/require"
)

// recordingLivy is a real Livy whose spark-submit writes down what it was
// called with and does nothing else: it shows in milliseconds what would reach
// Spark.
type recordingLivy struct {
	addr    string
	records string // folder; one more folder in it for each call, until it is read
	version string
	group   int // process group
}

// recorder is spark-submit: it keeps its arguments and the properties file.
const recorder = `#!/bin/sh
if [ "$1" = --version ]; then
	echo "version 3.5.8" >&2
	echo "Using Scala version 2.12.18" >&2
	exit 0
fi
dir=$(mktemp -d "$RECORDS/XXXXXX")
printf '%s\0' "$@" >"$dir/args"
env -0 >"$dir/env"
previous=
for arg in "$@"; do
	# Livy's own is gone when the driver is.
	case "$previous $arg" in "--properties-file "*/livyConf*) cp "$arg" "$dir/properties" ;; esac
	previous=$arg
done
mv "$dir" "$dir.done"
`

// openedPackages are what Livy's server reflects on, which Java 17 allows only
// when told.
var openedPackages = []string{
	"java.lang", "java.lang.invoke", "java.nio", "java.util", "java.util.concurrent", "java.util.concurrent.atomic",
	"java.net", "java.io", "sun.nio.ch", "sun.util.calendar",
}

// livyHome is an unpacked Livy: LIVY_TEST_HOME, or that of the prepared engine.
func livyHome(t testing.TB) string {
	t.Helper()
	home := os.Getenv("LIVY_TEST_HOME")
	if e := preparedEngine(); home == "" && e != nil {
		home = e.LivyHome
	}
	require.Need(t, require.Livy, home != "", "LIVY_TEST_HOME names no Livy, and no engine is prepared (make engine)")
	return home
}

// startRecordingLivy starts a server with further lines of livy.conf.
func startRecordingLivy(t testing.TB, lines ...string) *recordingLivy {
	t.Helper()
	home, dir := livyHome(t), t.TempDir()
	spark := filepath.Join(dir, "spark")
	for _, d := range []string{"bin", "jars", "python/lib", "R/lib"} {
		if err := os.MkdirAll(filepath.Join(spark, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{"python/lib/pyspark.zip", "python/lib/py4j-0.10.9.7-src.zip", "R/lib/sparkr.zip"} {
		write(t, filepath.Join(spark, f), "")
	}
	submit := filepath.Join(spark, "bin", "spark-submit")
	write(t, submit, recorder)
	if err := os.Chmod(submit, 0o755); err != nil {
		t.Fatal(err)
	}
	return startLivy(t, home, spark, lines...)
}

// startLivy starts a Livy server with this Spark.
func startLivy(t testing.TB, home, spark string, lines ...string) *recordingLivy {
	t.Helper()
	dir := t.TempDir()
	port := sparePort(t)
	l := &recordingLivy{addr: "127.0.0.1:" + port, records: filepath.Join(dir, "records")}
	for _, d := range []string{"conf", "records", "logs"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(dir, "conf", "livy.conf"), strings.Join(append([]string{
		"livy.server.host = 127.0.0.1", "livy.server.port = " + port, "livy.spark.master = " + recorderMaster,
		"livy.spark.version = 3.5.8", "livy.spark.scala-version = 2.12", "livy.file.local-dir-whitelist = /allowed/,/opt/env/,/user/",
	}, lines...), "\n"))
	opens := make([]string, len(openedPackages))
	for i, p := range openedPackages {
		opens[i] = "--add-opens=java.base/" + p + "=ALL-UNNAMED"
	}
	out, err := os.Create(filepath.Join(dir, "server.log"))
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(filepath.Join(home, "bin", "livy-server"))
	cmd.Env = append(os.Environ(), "LIVY_CONF_DIR="+filepath.Join(dir, "conf"), "SPARK_HOME="+spark,
		"LIVY_LOG_DIR="+filepath.Join(dir, "logs"), "RECORDS="+l.records, "LIVY_SERVER_JAVA_OPTS="+strings.Join(opens, " "))
	cmd.Dir, cmd.Stdout, cmd.Stderr = dir, out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	l.group = cmd.Process.Pid
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		_ = cmd.Wait()
		if t.Failed() {
			text, _ := os.ReadFile(out.Name())
			t.Logf("the end of Livy's output:\n%s", text[max(0, len(text)-3000):])
		}
	})
	client := livy.Client{Base: "http://" + l.addr}
	eventually(t, 90*time.Second, "Livy answers", func() bool {
		v, err := client.Version(t.Context())
		l.version = v.Version
		return err == nil
	})
	return l
}

// send writes a request as it stands, which an HTTP client would not: the
// target may be anything.
func (l *recordingLivy) send(t testing.TB, method, target string, header map[string]string, body []byte) (int, string) {
	t.Helper()
	conn, err := net.DialTimeout("tcp", l.addr, 5*time.Second)
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(60 * time.Second))
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s %s HTTP/1.1\r\nHost: livy\r\nConnection: close\r\nContent-Length: %d\r\n", method, target, len(body))
	if header["Content-Type"] == "" {
		b.WriteString("Content-Type: application/json\r\n")
	}
	for name, value := range header {
		fmt.Fprintf(&b, "%s: %s\r\n", name, value)
	}
	b.WriteString("\r\n")
	b.Write(body)
	if _, err := conn.Write(b.Bytes()); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(conn), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return resp.StatusCode, string(text)
}

// submission is one call of spark-submit.
type submission struct {
	args []string
	env  map[string]string
	// properties is the file of settings that Livy wrote for a session's driver, "" for
	// a batch.
	properties string
}

// text is everything of it, for searching.
func (s *submission) text() string {
	return strings.Join(s.args, " ") + "\n" + strings.NewReplacer(`\:`, ":", `\=`, "=", `\#`, "#", `\!`, "!", `\ `, " ", `\\`, `\`).Replace(s.properties)
}

// next waits for the call of spark-submit that a create brings about.
func (l *recordingLivy) next(t testing.TB) *submission {
	t.Helper()
	return l.nextWith(t, "")
}

// nextWith waits for the call that holds a text, and drops others.
func (l *recordingLivy) nextWith(t testing.TB, text string) *submission {
	t.Helper()
	for end := time.Now().Add(time.Minute); ; time.Sleep(2 * time.Millisecond) {
		done, err := filepath.Glob(filepath.Join(l.records, "*.done"))
		switch {
		case err != nil:
			t.Fatal(err)
		case len(done) > 1 && text == "":
			t.Fatalf("%d calls of spark-submit for one create", len(done))
		case time.Now().After(end):
			t.Fatal("spark-submit is not called within a minute")
		}
		for _, dir := range done {
			if s := readSubmission(t, dir); strings.Contains(s.text(), text) {
				return s
			}
		}
	}
}

// readSubmission reads what the recorder wrote, and removes it.
func readSubmission(t testing.TB, dir string) *submission {
	t.Helper()
	read := func(name string) []string {
		text, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return strings.Split(strings.TrimSuffix(string(text), "\x00"), "\x00")
	}
	s := &submission{args: read("args"), env: map[string]string{}}
	for _, pair := range read("env") {
		name, value, _ := strings.Cut(pair, "=")
		s.env[name] = value
	}
	if text, err := os.ReadFile(filepath.Join(dir, "properties")); err == nil {
		s.properties = string(text)
	}
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	return s
}

// judged is the submission as a call for a judge: on another master, and with Livy's
// own file of settings, which is gone by now, in dir.
func (s *submission) judged(t testing.TB, m master, dir string) call {
	t.Helper()
	c := call{Args: slices.Clone(s.args), Env: map[string]string{"HADOOP_CONF_DIR": dir}, JVM: true}
	for name, value := range s.env {
		if strings.HasPrefix(name, "SPARK_") && name != "SPARK_HOME" || strings.HasPrefix(name, "PYSPARK_") {
			c.Env[name] = value
		}
	}
	if s.properties != "" {
		at := slices.Index(c.Args, "--properties-file") + 1
		c.Args[at] = filepath.Join(dir, "livy.properties")
		text := strings.ReplaceAll(s.properties, "\nspark.master="+recorderMaster+"\n", "\nspark.master="+m.url+"\nspark.submit.deployMode="+m.deployMode+"\n")
		write(t, c.Args[at], text)
		return c
	}
	// Only Livy's own: one in the application's arguments is what is to be found out.
	if at := slices.Index(c.Args, "spark.master="+recorderMaster); at > 0 {
		c.Args[at] = "spark.master=" + m.url
		c.Args = slices.Insert(c.Args, at+1, "--conf", "spark.submit.deployMode="+m.deployMode)
	}
	return c
}

// recorderMaster is the master of the recording servers.
const recorderMaster = "local[2]"

// master is where Spark is told to run.
type master struct{ url, deployMode string }

var (
	localMaster  = master{recorderMaster, "client"}
	yarnCluster  = master{"yarn", "cluster"}
	yarnClient   = master{"yarn", "client"}
	k8sCluster   = master{"k8s://https://k", "cluster"}
	localMasters = []master{localMaster}
	yarnMasters  = []master{yarnCluster, yarnClient}
	k8sMasters   = []master{k8sCluster, {"k8s://https://k", "client"}}
)

// mastersOf are the masters that a policy for this one is meant for.
func mastersOf(policy string) []master {
	switch {
	case strings.HasPrefix(policy, "yarn"):
		return yarnMasters
	case strings.HasPrefix(policy, "k8s"):
		return k8sMasters
	}
	return localMasters
}
