package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/require"
)

// jvmClient is a prepared client in Java or Scala.
type jvmClient struct {
	t         testing.TB
	source    string // of a program that uses it
	java, jar string // programs
	jars      []string
	classPath string // the client's and Spark's jars
}

func newJVMClient(t testing.TB, need, name, program string) *jvmClient {
	t.Helper()
	dir := clientDir(t, name)
	_, err := os.Stat(filepath.Join(dir, ".complete"))
	require.Need(t, need, err == nil, "Livy 0.8.0's client is not prepared (make clients, if a Maven repository has it)")
	jars, _ := filepath.Glob(filepath.Join(dir, "jars", "*.jar"))
	e := preparedEngine()
	require.Need(t, require.Livy, e != nil, "no engine is prepared (make engine)")
	c := &jvmClient{
		t: t, source: filepath.Join(root, "integration", "clients", name, program),
		java: filepath.Join(e.Java, "bin", "java"), jar: filepath.Join(e.Java, "bin", "jar"), jars: jars,
		classPath: filepath.Join(dir, "jars", "*") + ":" + filepath.Join(e.SparkHome, "jars", "*"),
	}
	_, err = os.Stat(c.jar)
	require.Need(t, need, err == nil, "no compiler of Java 17 (Debian: openjdk-17-jdk-headless)")
	return c
}

// must runs a command of the compiler.
func (c *jvmClient) must(program string, args ...string) {
	c.t.Helper()
	if out, err := exec.Command(program, args...).CombinedOutput(); err != nil {
		c.t.Fatalf("%s: %v\n%s", filepath.Base(program), err, out)
	}
}

// run puts the compiled classes into a jar and runs a class of them.
func (c *jvmClient) run(classes, class, url string, jars ...string) string {
	c.t.Helper()
	jobs := filepath.Join(c.t.TempDir(), "jobs.jar")
	c.must(c.jar, "cf", jobs, "-C", classes, ".")
	// Livy's serializer looks into lambdas of Java.
	args := []string{"--add-opens", "java.base/java.lang.invoke=ALL-UNNAMED", "-cp", jobs + ":" + c.classPath, class, url, jobs}
	return output(c.t, c.java, append(args, jars...)...)
}

func (c *jvmClient) check(out string, wants ...string) {
	c.t.Helper()
	for _, want := range wants {
		if !strings.Contains(out, want) {
			c.t.Errorf("the client shows\n%s\nwithout %q", out, want)
		}
	}
}

func runJava(t *testing.T, url, token string) {
	c, classes := newJVMClient(t, require.LivyJava, "java", "JavaClient.java"), t.TempDir()
	c.must(filepath.Join(filepath.Dir(c.java), "javac"), "--release", "17", "-cp", c.classPath, "-d", classes, c.source)
	started := time.Now()
	c.check(c.run(classes, "JavaClient", loginURL(url, token)), "uploaded\npi 3.1", "cancelled\nafterwards 42\nstopped")
	run := pinned(t, "Livy's Java client", "java/pom.xml", "livy-client-http")
	run.Login, run.Ran = byURL, "upload, submit, cancel, run"
	run.ran(t, started)
}

func runScala(t *testing.T, url, token string) {
	c, classes := newJVMClient(t, require.LivyScala, "scala", "ScalaClient.scala"), t.TempDir()
	c.must(c.java, "-cp", c.classPath, "scala.tools.nsc.Main", "-nowarn", "-usejavacp", "-d", classes, c.source)
	var api string // its jobs need it
	for _, jar := range c.jars {
		if strings.Contains(filepath.Base(jar), "scala-api") {
			api = jar
		}
	}
	started := time.Now()
	c.check(c.run(classes, "ScalaClient", loginURL(url, token), api), "uploaded\npi 3.1", "afterwards 42\nstopped")
	run := pinned(t, "Livy's Scala client", "scala/pom.xml", "livy-scala-api_2.12")
	run.Login, run.Ran = byURL, "upload, submit, run"
	run.ran(t, started)
}
