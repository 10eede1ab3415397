// Package engine tests scripts/prepare-engine with small stand-ins for the
// distributions of Livy and Spark.
package engine

import (
	"archive/zip"
	"bytes"
	"crypto/sha512"
	"encoding/hex"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/require"
)

const zipName = "apache-livy-0.8.0-incubating_2.12-bin.zip"

// machine is a home of its own with a cache that holds Spark already.
type machine struct {
	t       *testing.T
	cache   string
	dir     string // the engine directory
	archive string // URL
}

func newMachine(t *testing.T) machine {
	t.Helper()
	for _, tool := range []string{"java", "python3"} {
		_, err := exec.LookPath(tool)
		require.Need(t, require.Livy, err == nil, tool+" is not installed (make engine)")
	}
	root := t.TempDir()
	m := machine{t: t, cache: filepath.Join(root, "cache", "livygateway"), dir: filepath.Join(root, "run", "engine"), archive: "http://127.0.0.1:9"}
	if err := os.MkdirAll(m.cache, 0o755); err != nil {
		t.Fatal(err)
	}
	m.put("pyspark-3.5.8-py2.py3-none-any.whl", packed(t, map[string]string{
		"pyspark/__init__.py":                    "",
		"pyspark/bin/spark-submit":               "#!/bin/sh\n",
		"pyspark/jars/spark-core_2.12-3.5.8.jar": "",
		"pyspark-3.5.8.dist-info/METADATA":       "Metadata-Version: 2.1\nName: pyspark\nVersion: 3.5.8\n",
		"pyspark-3.5.8.dist-info/WHEEL":          "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py2-none-any\nTag: py3-none-any\n",
		"pyspark-3.5.8.dist-info/RECORD":         "pyspark/__init__.py,,\npyspark/bin/spark-submit,,\npyspark/jars/spark-core_2.12-3.5.8.jar,,\npyspark-3.5.8.dist-info/METADATA,,\npyspark-3.5.8.dist-info/WHEEL,,\npyspark-3.5.8.dist-info/RECORD,,\n",
	}))
	return m
}

func (m machine) put(name string, content []byte) {
	m.t.Helper()
	if err := os.WriteFile(filepath.Join(m.cache, name), content, 0o644); err != nil {
		m.t.Fatal(err)
	}
}

// livy080 is a distribution as Apache publishes it.
func livy080(t *testing.T) []byte {
	t.Helper()
	return packed(t, map[string]string{
		"apache-livy-0.8.0-incubating_2.12-bin/bin/livy-server":                                    "#!/bin/sh\n",
		"apache-livy-0.8.0-incubating_2.12-bin/jars/livy-server-0.8.0-incubating.jar":              "",
		"apache-livy-0.8.0-incubating_2.12-bin/repl_2.12-jars/livy-repl_2.12-0.8.0-incubating.jar": "",
	})
}

func packed(t *testing.T, files map[string]string) []byte {
	t.Helper()
	var buf bytes.Buffer
	w := zip.NewWriter(&buf)
	for name, content := range files {
		f, err := w.Create(name)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := f.Write([]byte(content)); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

// put071 lays into the cache what Maven would have given.
func (m machine) put071() {
	m.t.Helper()
	for name, mode := range map[string]os.FileMode{"bin/livy-server": 0o755, "jars/livy-server-0.7.1-incubating.jar": 0o644} {
		path := filepath.Join(m.cache, "livy-0.7.1-incubating", name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			m.t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, mode); err != nil {
			m.t.Fatal(err)
		}
	}
}

// command runs the script without Python packages, which come from elsewhere.
func (m machine) command(env []string, args ...string) *exec.Cmd {
	return m.whole(env, append(args, "--slim")...)
}

func (m machine) whole(env []string, args ...string) *exec.Cmd {
	script, err := filepath.Abs("../../scripts/prepare-engine")
	if err != nil {
		m.t.Fatal(err)
	}
	cmd := exec.Command(script, append(args, m.dir)...)
	cmd.Env = append(os.Environ(), "XDG_CACHE_HOME="+filepath.Dir(m.cache), "LIVY_ARCHIVE="+m.archive, "LIVY_DIST=")
	cmd.Env = append(cmd.Env, env...)
	return cmd
}

func (m machine) run(env []string, args ...string) (output string, ok bool) {
	m.t.Helper()
	out, err := m.command(env, args...).CombinedOutput()
	m.t.Logf("%s", out)
	return string(out), err == nil
}

type prepared struct {
	Livy, Spark, Scala, Java string
	Interactive              bool
}

// want checks what lies in the engine directory.
func (m machine) want(livy string, interactive bool) {
	m.t.Helper()
	raw, err := os.ReadFile(filepath.Join(m.dir, "engine.json"))
	if err != nil {
		m.t.Fatal(err)
	}
	var p prepared
	if err := json.Unmarshal(raw, &p); err != nil {
		m.t.Fatalf("%s: %v", raw, err)
	}
	if p.Livy != livy || p.Spark != "3.5.8" || p.Scala != "2.12" || p.Interactive != interactive || p.Java == "" {
		m.t.Errorf("engine.json holds %+v", p)
	}
	for _, program := range []string{"livy/bin/livy-server", "spark/bin/spark-submit"} {
		if _, err := os.Stat(filepath.Join(m.dir, program)); err != nil {
			m.t.Error(err)
		}
	}
	if info, err := os.Stat(filepath.Join(m.dir, "livy/bin/livy-server")); err != nil || info.Mode()&0o111 == 0 {
		m.t.Errorf("livy-server cannot be run: %v", err)
	}
	m.wantNothingHalfDone()
}

func (m machine) wantNothing() {
	m.t.Helper()
	if _, err := os.Stat(m.dir); !os.IsNotExist(err) {
		m.t.Errorf("there is an engine directory: %v", err)
	}
	m.wantNothingHalfDone()
}

func (m machine) wantNothingHalfDone() {
	m.t.Helper()
	for _, pattern := range []string{m.dir + ".*", m.cache + "/.[a-km-z]*"} {
		if left, _ := filepath.Glob(pattern); len(left) > 0 {
			m.t.Errorf("left behind: %v", left)
		}
	}
}

// archive serves a distribution with the sum that the format makes of it.
func archive(t *testing.T, content []byte, sum string) (url string, requests *atomic.Int32) {
	requests = new(atomic.Int32)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		requests.Add(1)
		switch r.URL.Path {
		case "/" + zipName:
			_, _ = w.Write(content)
		case "/" + zipName + ".sha512":
			_, _ = w.Write([]byte(sum))
		default:
			http.NotFound(w, r)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL, requests
}

func sum(content []byte) string {
	digest := sha512.Sum512(content)
	return hex.EncodeToString(digest[:])
}

func TestFromTheArchive(t *testing.T) {
	content := livy080(t)
	digest := sum(content)
	grouped := zipName + ": " + strings.ToUpper(digest[:8]+" "+digest[8:64]+"\n   "+digest[64:]) + "\n"
	for name, text := range map[string]string{"plain": digest + "  " + zipName + "\n", "in groups": grouped} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			var requests *atomic.Int32
			m.archive, requests = archive(t, content, text)
			if _, ok := m.run(nil); !ok {
				t.Fatal("it failed")
			}
			m.want("0.8.0-incubating", true)
			before := requests.Load()
			out, ok := m.run(nil)
			if !ok || !strings.Contains(out, "is ready") || requests.Load() != before {
				t.Errorf("the second run was not at once: %d more requests", requests.Load()-before)
			}
			if err := os.RemoveAll(m.dir); err != nil {
				t.Fatal(err)
			}
			if _, ok := m.run(nil); !ok || requests.Load() != before {
				t.Errorf("the cache was not used: %d more requests", requests.Load()-before)
			}
			m.want("0.8.0-incubating", true)
		})
	}
}

func TestTamperedArchive(t *testing.T) {
	m := newMachine(t)
	m.put071()
	m.archive, _ = archive(t, livy080(t), sum([]byte("another file"))+"  "+zipName)
	out, ok := m.run(nil)
	if ok || !strings.Contains(out, "does not match its published SHA-512") {
		t.Error("a tampered distribution was taken, or silently replaced by another version")
	}
	m.wantNothing()
	if _, err := os.Stat(filepath.Join(m.cache, zipName)); !os.IsNotExist(err) {
		t.Errorf("it is in the cache: %v", err)
	}
}

func TestDamagedCache(t *testing.T) {
	m := newMachine(t)
	m.put(zipName, livy080(t))
	m.put(zipName+".sha512", []byte(sum([]byte("another file"))))
	if out, ok := m.run(nil); ok || !strings.Contains(out, "does not match") {
		t.Error("a damaged distribution was taken")
	}
	m.wantNothing()
}

func TestClosedNetwork(t *testing.T) {
	m := newMachine(t)
	m.put071()
	began := time.Now()
	out, ok := m.run(nil)
	if !ok || !strings.Contains(out, "Livy 0.8.0 could not be had: using Livy 0.7.1, which runs batches only") {
		t.Error("it does not say plainly what it did")
	}
	if took := time.Since(began); took > 30*time.Second {
		t.Errorf("it took %v to give up", took)
	}
	m.want("0.7.1-incubating", false)
	if out, ok := m.run(nil); !ok || !strings.Contains(out, "is ready") {
		t.Error("the second run was not at once")
	}
	// The user lays the distribution where it belongs.
	m.put(zipName, livy080(t))
	if _, ok := m.run(nil); !ok {
		t.Error("it failed")
	}
	m.want("0.8.0-incubating", true)
	if _, ok := m.run(nil, "--livy", "0.7.1"); !ok {
		t.Error("it failed")
	}
	m.want("0.7.1-incubating", false)
}

func TestNoFallbackWhenToldNotTo(t *testing.T) {
	m := newMachine(t)
	m.put071()
	if out, ok := m.run(nil, "--livy", "0.8.0"); ok || !strings.Contains(out, "set LIVY_DIST") {
		t.Error("it does not say what to do")
	}
	m.wantNothing()
}

func TestGivenDistribution(t *testing.T) {
	content := livy080(t)
	zipped := filepath.Join(t.TempDir(), "mine.zip")
	if err := os.WriteFile(zipped, content, 0o644); err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	for _, name := range []string{"bin/livy-server", "jars/livy-server-0.9.0-incubating.jar"} {
		path := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	m := newMachine(t)
	if _, ok := m.run([]string{"LIVY_DIST=" + zipped}); !ok {
		t.Fatal("it failed")
	}
	m.want("0.8.0-incubating", true)
	if _, ok := m.run([]string{"LIVY_DIST=" + folder}); !ok {
		t.Fatal("it failed")
	}
	m.want("0.9.0-incubating", false)

	for name, broken := range map[string][]byte{
		"not a zip":    []byte("hello"),
		"another zip":  packed(t, map[string]string{"x/y": ""}),
		"without Livy": packed(t, map[string]string{"x/jars/y.jar": "", "x/bin/livy-server": ""}),
	} {
		t.Run(name, func(t *testing.T) {
			m := newMachine(t)
			path := filepath.Join(t.TempDir(), "broken.zip")
			if err := os.WriteFile(path, broken, 0o644); err != nil {
				t.Fatal(err)
			}
			if out, ok := m.run([]string{"LIVY_DIST=" + path}); ok || !strings.Contains(out, path) {
				t.Error("it does not name the distribution")
			}
			m.wantNothing()
		})
	}
	t.Run("missing", func(t *testing.T) {
		m := newMachine(t)
		if out, ok := m.run([]string{"LIVY_DIST=/nowhere"}); ok || !strings.Contains(out, "LIVY_DIST=/nowhere does not exist") {
			t.Error("it does not name the distribution")
		}
	})
}

// TestPythonPackages gives the script wheels as a closed network does, in the cache.
func TestPythonPackages(t *testing.T) {
	m := newMachine(t)
	m.put(zipName, livy080(t))
	if err := os.Mkdir(filepath.Join(m.cache, "wheels"), 0o755); err != nil {
		t.Fatal(err)
	}
	wheels := map[string]string{
		"numpy": "1.26.4", "pandas": "2.2.3", "pyarrow": "17.0.0", "cloudpickle": "3.1.1",
		"python_dateutil": "2.9.0.post0", "pytz": "2025.2", "tzdata": "2025.2", "six": "1.17.0",
	}
	for name, version := range wheels {
		info := name + "-" + version + ".dist-info/"
		m.put("wheels/"+name+"-"+version+"-py3-none-any.whl", packed(t, map[string]string{
			name + "/__init__.py": "", name + "/tests/__init__.py": "",
			info + "METADATA": "Metadata-Version: 2.1\nName: " + name + "\nVersion: " + version + "\n",
			info + "WHEEL":    "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
			info + "RECORD":   name + "/__init__.py,,\n" + name + "/tests/__init__.py,,\n" + info + "METADATA,,\n" + info + "WHEEL,,\n" + info + "RECORD,,\n",
		}))
	}
	closed := []string{"PIP_INDEX_URL=http://127.0.0.1:9/simple", "PIP_FIND_LINKS=", "PIP_RETRIES=0"}
	out, err := m.whole(closed).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	m.want("0.8.0-incubating", true)
	python := filepath.Join(m.dir, "python", "bin", "python3")
	out, err = exec.Command(python, "-c", "import numpy, pandas, pyarrow, cloudpickle; print(numpy.__file__)").CombinedOutput()
	if err != nil || !strings.HasPrefix(string(out), filepath.Join(m.dir, "python")) {
		t.Errorf("its Python: %v\n%s", err, out)
	}
	if left, _ := filepath.Glob(filepath.Join(m.dir, "python", "lib", "*", "site-packages", "*", "tests")); len(left) > 0 {
		t.Errorf("tests of packages were kept: %v", left)
	}
	if out, err := m.whole(closed).CombinedOutput(); err != nil || !strings.Contains(string(out), "is ready") {
		t.Errorf("the second run was not at once: %v\n%s", err, out)
	}
	// Other packages are wanted, and cannot be had.
	if err := os.RemoveAll(filepath.Join(m.cache, "wheels")); err != nil {
		t.Fatal(err)
	}
	if err := os.RemoveAll(m.dir); err != nil {
		t.Fatal(err)
	}
	out, err = m.whole(closed).CombinedOutput()
	if err == nil || !strings.Contains(string(out), "PIP_INDEX_URL") || !strings.Contains(string(out), "--slim") {
		t.Errorf("it does not name what to do: %v\n%s", err, out)
	}
	m.wantNothing()
	if out, ok := m.run(nil); !ok || !strings.Contains(out, "is ready") {
		t.Error("without packages it failed")
	}
}

func TestKilledWhileDownloading(t *testing.T) {
	m := newMachine(t)
	asked := make(chan struct{}, 2)
	hang := make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked <- struct{}{}; <-hang }))
	defer s.Close()
	defer close(hang)
	m.archive = s.URL
	cmd := m.command(nil)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	<-asked
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait()
	if _, err := os.Stat(m.dir); !os.IsNotExist(err) {
		t.Errorf("there is an engine directory: %v", err)
	}
	m.put(zipName, livy080(t))
	if _, ok := m.run(nil); !ok {
		t.Fatal("the next run failed")
	}
	m.want("0.8.0-incubating", true)
}

func TestForeignDirectory(t *testing.T) {
	m := newMachine(t)
	if err := os.MkdirAll(m.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(m.dir, "thesis.txt")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if out, ok := m.run(nil); ok || !strings.Contains(out, "is not an engine directory") {
		t.Error("it took a directory that is not its own")
	}
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
}
