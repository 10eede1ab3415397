package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/require"
)

// askJava is a shell script that asks Java whether the archives of an engine fit: with
// -Xshare:on it ends with an error if one does not. It also asks about one that cannot fit.
// It wants LIVY_HOME and SPARK_HOME.
const askJava = `set -u; export LC_ALL=C
livy=$(cd "$LIVY_HOME" && pwd -P) spark=$(cd "$SPARK_HOME" && pwd -P)
ask() {
  jars=$(printf ':%s' $2)
  "${JAVA_HOME:+$JAVA_HOME/bin/}java" -Xshare:on -XX:SharedArchiveFile="$1" -cp "${jars#:}" -version >/dev/null 2>&1
  echo "${1##*/} $?"
}
ask "$spark/archives/driver.jsa" "$spark/jars/*.jar"
ask "$spark/archives/launcher.jsa" "$spark/jars/spark-launcher_*.jar"
ask "$livy/archives/server.jsa" "$livy/jars/*.jar"
ask "$livy/archives/server.jsa" "$spark/jars/*.jar"
`

// checkArchives checks what askJava says.
func checkArchives(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	out, _ := cmd.CombinedOutput()
	const want = "driver.jsa 0\nlauncher.jsa 0\nserver.jsa 0\nserver.jsa 1\n"
	if string(out) != want {
		t.Errorf("Java says\n%s, want\n%s", out, want)
	}
}

func TestArchivesOfImage(t *testing.T) {
	require.Need(t, require.Image, imageThere(), "image "+image()+" is not there (make image)")
	checkArchives(t, exec.Command("docker", "run", "--rm", "--network", "none", "--entrypoint", "bash", image(), "-c", askJava))
}

// TestArchivesOfDirectory looks at a prepared directory: its archives fit, a driver uses
// one, and one that does not fit is ignored without a word.
func TestArchivesOfDirectory(t *testing.T) {
	e := preparedEngine()
	require.Need(t, require.Livy080, e != nil && e.Interactive, "there is no engine with Livy 0.8.0 (make engine)")
	env := append(os.Environ(), "LIVY_HOME="+e.LivyHome, "SPARK_HOME="+e.SparkHome, "JAVA_HOME="+e.Java, "SPARK_LOCAL_IP=127.0.0.1")
	ask := exec.Command("bash", "-c", askJava)
	ask.Env = env
	checkArchives(t, ask)

	job := filepath.Join(t.TempDir(), "job.py")
	// The driver's JVM is the parent of a Python program's process.
	text := "import os\nprint('mapped:', 'archives/driver.jsa' in open('/proc/%d/maps' % os.getppid()).read())\n"
	if err := os.WriteFile(job, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	// The same jars, of which one is newer than the archive.
	changed := t.TempDir()
	for _, part := range []string{"bin", "python", "archives"} {
		if out, err := exec.Command("cp", "-r", filepath.Join(e.SparkHome, part), changed).CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	if out, err := exec.Command("cp", "-rs", realPath(t, filepath.Join(e.SparkHome, "jars")), changed).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	jar := changed + "/jars/" + filepath.Base(glob(t, e.SparkHome+"/jars/spark-core_*.jar"))
	if out, err := exec.Command("cp", "--remove-destination", realPath(t, jar), jar).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	logs := make(map[string][]string)
	for _, tt := range []struct {
		name, home, mapped string
		env                []string
	}{
		{"as prepared", e.SparkHome, "True", nil},
		{"switched off", e.SparkHome, "False", []string{"LIVY_GATEWAY_ARCHIVES=off"}},
		{"does not fit", changed, "False", nil},
	} {
		cmd := exec.Command(filepath.Join(tt.home, "bin", "spark-submit"), "--master", "local[1]", job)
		cmd.Env = append(slices.Clone(env), append(tt.env, "SPARK_HOME="+tt.home)...)
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "mapped: "+tt.mapped) {
			t.Errorf("%s: %v: %s", tt.name, err, out)
		}
		for line := range strings.Lines(string(out)) {
			if _, message, ok := strings.Cut(line, "WARN"); ok {
				line = message // without the time
			}
			if !strings.Contains(line, "INFO") && !strings.Contains(line, "mapped:") {
				logs[tt.name] = append(logs[tt.name], line)
			}
		}
	}
	for name, lines := range logs {
		if !slices.Equal(lines, logs["switched off"]) {
			t.Errorf("%s: the log is\n%s\ninstead of\n%s", name, strings.Join(lines, ""), strings.Join(logs["switched off"], ""))
		}
	}
}

func realPath(t *testing.T, path string) string {
	t.Helper()
	path, err := filepath.EvalSymlinks(path)
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// glob returns the one path that matches.
func glob(t *testing.T, pattern string) string {
	t.Helper()
	paths, err := filepath.Glob(pattern)
	if err != nil || len(paths) != 1 {
		t.Fatalf("%s: %v, %v", pattern, paths, err)
	}
	return paths[0]
}
