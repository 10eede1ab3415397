package upstreamtest

import (
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"sync"
	"testing"
)

var build struct {
	sync.Once
	binary []byte
	err    error
}

// FakeLivy returns the program fakelivy, linked statically so that it runs in
// an empty container too.
func FakeLivy(t testing.TB) []byte {
	t.Helper()
	build.Do(func() {
		dir, err := os.MkdirTemp("", "fakelivy")
		if build.err = err; err != nil {
			return
		}
		defer os.RemoveAll(dir)
		out := filepath.Join(dir, "livy-server")
		_, here, _, _ := runtime.Caller(0)
		cmd := exec.Command("go", "build", "-buildvcs=false", "-o", out, "./fakelivy")
		cmd.Dir = filepath.Dir(here)
		cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
		if msg, err := cmd.CombinedOutput(); err != nil {
			t.Logf("%s", msg)
			build.err = err
			return
		}
		build.binary, build.err = os.ReadFile(out)
	})
	if build.err != nil {
		t.Fatalf("building fakelivy: %v", build.err)
	}
	return build.binary
}

// FakeHomes makes a LIVY_HOME with fakelivy as its server and a SPARK_HOME.
func FakeHomes(t testing.TB) (livyHome, sparkHome string) {
	t.Helper()
	root := t.TempDir()
	livyHome, sparkHome = filepath.Join(root, "livy"), filepath.Join(root, "spark")
	write(t, filepath.Join(livyHome, "bin", "livy-server"), FakeLivy(t))
	write(t, filepath.Join(sparkHome, "bin", "spark-submit"), []byte("#!/bin/sh\n"))
	// Others than the test's user may run it.
	for dir := root; dir != os.TempDir() && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	return livyHome, sparkHome
}

func write(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, content, 0o755); err != nil {
		t.Fatal(err)
	}
}

// Get asks a server for a path and returns the body; it fails the test when the
// server does not answer 200.
func Get(t testing.TB, address, path string) string {
	t.Helper()
	resp, err := http.Get("http://" + address + path)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("GET %s: %s %s %v", path, resp.Status, body, err)
	}
	return string(body)
}

// FakeJava makes a JAVA_HOME with a program of that name, which no fakelivy runs.
func FakeJava(t testing.TB) string {
	t.Helper()
	home := t.TempDir()
	write(t, filepath.Join(home, "bin", "java"), nil)
	return home
}
