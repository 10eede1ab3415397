package integration

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
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
	records string // folder; one more folder in it for each call
	version string
	seen    map[string]bool
}

// recorder is spark-submit: it keeps its arguments and the properties file.
const recorder = `#!/bin/sh
if [ "$1" = --version ]; then
	echo "version 3.5.8" >&2
	echo "Using Scala version 2.12.18" >&2
	exit 0
fi
dir=$(mktemp -d "$RECORDS/XXXXXX")
previous=
for arg in "$@"; do
	printf '%s\0' "$arg" >> "$dir/args"
	if [ "$previous" = --properties-file ]; then cp "$arg" "$dir/properties"; fi
	previous=$arg
done
touch "$dir/done"
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
	l := &recordingLivy{addr: "127.0.0.1:" + port, records: filepath.Join(dir, "records"), seen: map[string]bool{}}
	for _, d := range []string{"conf", "records", "logs"} {
		if err := os.MkdirAll(filepath.Join(dir, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	write(t, filepath.Join(dir, "conf", "livy.conf"), strings.Join(append([]string{
		"livy.server.host = 127.0.0.1", "livy.server.port = " + port, "livy.spark.master = local[2]",
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
	// settings is what Spark would read: options and properties by Spark's names.
	settings map[string]string
}

// text is everything of it, for searching.
func (s *submission) text() string {
	var b strings.Builder
	b.WriteString(strings.Join(s.args, " "))
	for k, v := range s.settings {
		b.WriteString("\n" + k + "=" + v)
	}
	return b.String()
}

// options are spark-submit's options and the settings that they are.
var options = map[string]string{
	"--name": "spark.app.name", "--queue": "spark.yarn.queue", "--proxy-user": "proxyUser", "--class": "className",
	"--driver-memory": "spark.driver.memory", "--driver-cores": "spark.driver.cores", "--executor-memory": "spark.executor.memory",
	"--executor-cores": "spark.executor.cores", "--num-executors": "spark.executor.instances", "--master": "spark.master",
	"--jars": "spark.jars", "--files": "spark.files", "--archives": "spark.yarn.dist.archives", "--py-files": "spark.submit.pyFiles",
	"--deploy-mode": "spark.submit.deployMode", "--properties-file": "propertiesFile",
}

// next waits for the call of spark-submit that a create brings about.
func (l *recordingLivy) next(t testing.TB) *submission {
	t.Helper()
	var dir string
	eventually(t, 30*time.Second, "spark-submit is called", func() bool {
		done, err := filepath.Glob(filepath.Join(l.records, "*", "done"))
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range done {
			if !l.seen[d] {
				l.seen[d] = true
				dir = filepath.Dir(d)
				return true
			}
		}
		return false
	})
	args, err := os.ReadFile(filepath.Join(dir, "args"))
	if err != nil {
		t.Fatal(err)
	}
	s := &submission{args: strings.Split(strings.TrimSuffix(string(args), "\x00"), "\x00"), settings: map[string]string{}}
	for i := 0; i+1 < len(s.args) && strings.HasPrefix(s.args[i], "--"); i += 2 {
		if s.args[i] == "--conf" {
			k, v, _ := strings.Cut(s.args[i+1], "=")
			s.settings[k] = v
		}
	}
	if text, err := os.ReadFile(filepath.Join(dir, "properties")); err == nil {
		props, err := livy.ParseProperties(string(text))
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range props {
			s.settings[p.Key] = p.Value
		}
	}
	// Options win over --conf.
	for i := 0; i+1 < len(s.args) && strings.HasPrefix(s.args[i], "--"); i += 2 {
		if key := options[s.args[i]]; key != "" {
			s.settings[key] = s.args[i+1]
		}
	}
	return s
}

// fieldKeys are Livy's fields by Spark's names, written down apart from the
// tables that are under test.
var fieldKeys = map[string]string{
	"driverMemory": "spark.driver.memory", "driverCores": "spark.driver.cores", "executorMemory": "spark.executor.memory",
	"executorCores": "spark.executor.cores", "numExecutors": "spark.executor.instances", "queue": "spark.yarn.queue", "name": "spark.app.name",
	"jars": "spark.jars", "pyFiles": "spark.submit.pyFiles", "files": "spark.files", "archives": "spark.yarn.dist.archives",
	"proxyUser": "proxyUser", "className": "className",
}

// settingsOf are the settings that a create request asks for.
func settingsOf(t testing.TB, body string) map[string]string {
	t.Helper()
	var top map[string]json.RawMessage
	if err := json.Unmarshal([]byte(body), &top); err != nil {
		t.Fatal(err)
	}
	out := map[string]string{}
	for field, key := range fieldKeys {
		var list []string
		switch raw := top[field]; {
		case raw == nil:
		case json.Unmarshal(raw, &list) == nil:
			out[key] = strings.Join(list, ",")
		default:
			out[key] = strings.Trim(string(raw), `"`)
		}
	}
	var conf map[string]string
	if raw := top["conf"]; raw != nil {
		if err := json.Unmarshal(raw, &conf); err != nil {
			t.Fatal(err)
		}
	}
	maps.Copy(out, conf)
	return out
}
