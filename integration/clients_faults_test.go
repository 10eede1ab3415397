package integration

import (
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net/http"
	"net/textproto"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/require"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// liveSession is an interactive session of a real Livy, behind a gateway "etl".
type liveSession struct {
	client
	c    *caddy
	l    live
	path string
}

// openSession starts Caddy, a gateway and a session in it, and waits until it is idle.
func openSession(t *testing.T, l live, create map[string]any, args ...string) liveSession {
	t.Helper()
	require.Need(t, require.Livy080, l.interactive, "this engine runs no interactive sessions")
	c := newCaddy(t, storetest.StartServer(t), l.livyBlock)
	c.newGateway("etl", args...)
	s := liveSession{client: client{t, c.url("etl"), c.newToken("etl").Token}, c: c, l: l}
	s.open(create)
	return s
}

func (s *liveSession) open(create map[string]any) {
	s.t.Helper()
	var made batch
	s.expect(http.StatusCreated, "POST", "/sessions", create, &made)
	s.path = fmt.Sprintf("/sessions/%d", made.ID)
	eventually(s.t, 4*time.Minute, "the session being idle", func() bool {
		s.expect(http.StatusOK, "GET", s.path, nil, &made)
		if made.State == "dead" || made.State == "error" {
			s.t.Fatalf("the session is %s:\n%s", made.State, strings.Join(s.log(), "\n"))
		}
		return made.State == "idle"
	})
}

// log is all that Livy keeps of the session's log.
func (s *liveSession) log() []string {
	s.t.Helper()
	var lines struct{ Log []string }
	s.expect(http.StatusOK, "GET", s.path+"/log?from=0&size=10000", nil, &lines)
	return lines.Log
}

// run runs a statement and returns what it shows as text.
func (s *liveSession) run(statement map[string]string) string {
	s.t.Helper()
	var st struct {
		ID     int
		State  string
		Output struct {
			Status, EName, EValue string
			Traceback             []string
			Data                  map[string]any
		}
	}
	s.expect(http.StatusCreated, "POST", s.path+"/statements", statement, &st)
	eventually(s.t, 3*time.Minute, "the statement's result", func() bool {
		s.expect(http.StatusOK, "GET", fmt.Sprintf("%s/statements/%d", s.path, st.ID), nil, &st)
		return st.State == "available"
	})
	if st.Output.Status != "ok" {
		s.t.Errorf("%s: %s\n%s", st.Output.EName, st.Output.EValue, strings.Join(st.Output.Traceback, ""))
	}
	return fmt.Sprint(st.Output.Data["text/plain"])
}

// upload sends a file the way curl -F does.
func (s *liveSession) upload(route, part, name string, content []byte) reply {
	s.t.Helper()
	var body bytes.Buffer
	w := multipart.NewWriter(&body)
	header := textproto.MIMEHeader{}
	header.Set("Content-Disposition", fmt.Sprintf(`form-data; name="%s"; filename="%s"`, part, name))
	header.Set("Content-Type", "application/octet-stream")
	p, err := w.CreatePart(header)
	if err == nil {
		_, err = p.Write(content)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		s.t.Fatal(err)
	}
	req, err := http.NewRequest("POST", s.base+s.path+route, &body)
	if err != nil {
		s.t.Fatal(err)
	}
	req.Header.Set("Content-Type", w.FormDataContentType())
	req.Header.Set(tokenHeader, s.token)
	res, err := httpClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return reply{res.StatusCode, res.Header, text}
}

// aJar is a jar with a class "gw.Hello" whose method "say" returns "hello".
func aJar(t testing.TB) []byte {
	t.Helper()
	_, err := exec.LookPath("javac")
	require.Need(t, require.Livy080, err == nil, "no javac on the PATH")
	dir := t.TempDir()
	source := filepath.Join(dir, "gw", "Hello.java")
	if err := os.MkdirAll(filepath.Dir(source), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, source, `package gw; public class Hello { public static String say() { return "hello"; } }`)
	jar := filepath.Join(dir, "hello.jar")
	for _, cmd := range [][]string{{"javac", "--release", "8", source}, {"jar", "cf", jar, "-C", dir, "gw/Hello.class"}} {
		if out, err := exec.Command(cmd[0], cmd[1:]...).CombinedOutput(); err != nil {
			t.Fatalf("%v: %v\n%s", cmd, err, out)
		}
	}
	content, err := os.ReadFile(jar)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// TestUploads uploads files to sessions of a gateway whose jobs run beside Livy, and
// uses them there.
func TestUploads(t *testing.T) {
	onEachRuntime(t, func(t *testing.T, l live) {
		s := openSession(t, l, map[string]any{"kind": "pyspark"})
		use := func(route, part, name string, content []byte, code, shows string) {
			t.Helper()
			if r := s.upload(route, part, name, content); r.status != http.StatusOK {
				t.Errorf("%s: status %d: %s", route, r.status, r.body)
			} else if got := s.run(map[string]string{"code": code}); !strings.Contains(got, shows) {
				t.Errorf("after %s the session shows %q, without %q", route, got, shows)
			}
		}
		// Livy reaches the interpreter for an upload only once it has run something.
		s.run(map[string]string{"code": "1"})
		use("/upload-pyfile", "file", "greet.py", []byte("def say(): return 'from a module'\n"), "import greet; print(greet.say())", "from a module")
		use("/upload-file", "file", "data.txt", []byte("some data\n"),
			"from pyspark import SparkFiles; print(sc.parallelize([0]).map(lambda _: open(SparkFiles.get('data.txt')).read()).first())", "some data")

		// What others uploaded is none of a client's business.
		home := "/home/livy"
		if l.runtime == "process" {
			homes, _ := filepath.Glob(filepath.Join(l.stateDir, "*", "*", "work"))
			if len(homes) != 1 {
				t.Fatalf("homes of Livy: %v", homes)
			}
			home = homes[0]
			if staged, _ := filepath.Glob(filepath.Join(home, ".livy-sessions", "*", "greet.py")); len(staged) != 1 {
				t.Errorf("Livy's staging directory is elsewhere: %v", staged)
			}
		}
		r := s.do("POST", s.path+"/add-file", map[string]string{"uri": "file:" + home + "/.livy-sessions/x/data.txt"})
		if r.status != http.StatusBadRequest || !strings.Contains(r.msg(t), "must not name a local file") {
			t.Errorf("a path of the staging directory: status %d: %s", r.status, r.body)
		}

		s.expect(http.StatusOK, "DELETE", s.path, nil, nil)
		s.open(map[string]any{"kind": "spark"})
		use("/upload-jar", "jar", "hello.jar", aJar(t),
			`println(Thread.currentThread.getContextClassLoader.loadClass("gw.Hello").getMethod("say").invoke(null))`, "hello")
	})
}

// TestPythonOfTheEngine runs what PySpark does with pandas, pyarrow and numpy.
func TestPythonOfTheEngine(t *testing.T) {
	onEachRuntime(t, func(t *testing.T, l live) {
		s := openSession(t, l, map[string]any{"kind": "pyspark"})
		for code, shows := range map[string]string{
			"print(spark.range(3).selectExpr('id', 'id * 2 AS twice').toPandas()['twice'].sum())": "6",
			"spark.conf.set('spark.sql.execution.arrow.pyspark.enabled', 'true')\n" +
				"import pandas as pd\nprint(spark.createDataFrame(pd.DataFrame({'a': [1, 2]})).toPandas().shape)": "(2, 1)",
			"from pyspark.ml.regression import LinearRegression\nfrom pyspark.ml.linalg import Vectors\n" +
				"d = spark.createDataFrame([(float(2 * i + 1), Vectors.dense(float(i))) for i in range(10)], ['label', 'features'])\n" +
				"print(round(LinearRegression().fit(d).coefficients[0], 3))": "2.0",
			"import cloudpickle; print(cloudpickle.loads(cloudpickle.dumps(lambda x: x + 1))(1))": "2",
		} {
			if got := s.run(map[string]string{"code": code}); !strings.Contains(got, shows) {
				t.Errorf("%s\nshows %q, without %q", code, got, shows)
			}
		}
	})
}

// TestFreshSessionsLog looks at the log of a session that nobody has used yet. Livy keeps
// 200 lines of it.
func TestFreshSessionsLog(t *testing.T) {
	onEachRuntime(t, func(t *testing.T, l live) {
		s := openSession(t, l, map[string]any{"kind": "pyspark"})
		log := s.log()
		text := strings.Join(log, "\n")
		if len(log) > 100 || strings.Count(text, ".jar") > 30 {
			t.Errorf("%d lines, jars named %d times:\n%s", len(log), strings.Count(text, ".jar"), text)
		}
		if strings.Contains(text, " ERROR ") || strings.Contains(text, "\tat ") || !strings.Contains(text, "Running Spark version") {
			t.Errorf("errors of a session that is well, or no word of how it started:\n%s", text)
		}
	})
}

// TestNamesOfUploads: a file is in the session under the name that its client gave it,
// with letters and their marks in one.
func TestNamesOfUploads(t *testing.T) {
	onEachRuntime(t, func(t *testing.T, l live) {
		s := openSession(t, l, map[string]any{"kind": "pyspark"})
		if r := s.upload("/upload-pyfile", "file", "u\u0308ber.py", []byte("x = 'a module'\n")); r.status != http.StatusOK {
			t.Errorf("upload-pyfile: status %d: %s", r.status, r.body)
		} else if got := s.run(map[string]string{"code": "import über; print(über.x)"}); !strings.Contains(got, "a module") {
			t.Errorf("the module shows %q", got)
		}
		for sent, name := range map[string]string{
			"ü.txt": "ü.txt", "U\u0308.txt": "Ü.txt", "日报.txt": "日报.txt", "it's.txt": "it's.txt", "lib~1.txt": "lib~1.txt", "m[1].txt": "m[1].txt", "a b (1).txt": "a b (1).txt",
		} {
			if r := s.upload("/upload-file", "file", sent, []byte("content of "+name)); r.status != http.StatusOK {
				t.Errorf("%q: status %d: %s", sent, r.status, r.body)
				continue
			}
			code := fmt.Sprintf("from pyspark import SparkFiles; print(open(SparkFiles.get(%s)).read())", asJSON(t, name))
			if got := s.run(map[string]string{"code": code}); !strings.Contains(got, "content of "+name) {
				t.Errorf("%q shows %q", sent, got)
			}
		}
	})
}

// TestTakenOffTheBlacklist: Livy has its copy of a blacklist until it is restarted, and
// lists for ever what it refuses for that.
func TestTakenOffTheBlacklist(t *testing.T) {
	l := processLive(t)
	c := newCaddy(t, storetest.StartServer(t), l.livyBlock)
	livyConf, blacklist, none := filepath.Join(c.dir, "livy.conf"), filepath.Join(c.dir, "blacklist"), filepath.Join(c.dir, "none")
	// Livy holds this key to its list of directories, of which the policy does not know.
	write(t, livyConf, "livy.file.local-dir-whitelist = "+jobDir(l)+"\nlivy.spark.file-list-configs = spark.my.files\n")
	write(t, blacklist, "spark.executor.memory\n")
	write(t, none, "# nothing\n")
	c.newGateway("etl", "--livy-conf", livyConf, "--spark-blacklist", blacklist)
	cl := client{t, c.url("etl"), c.newToken("etl").Token}
	c.livy("gateway", "update", "etl", "--spark-blacklist", none)

	var b batch
	create := map[string]any{"file": jobFile(l), "name": "nightly", "conf": map[string]string{"spark.executor.memory": "2g"}}
	if r := cl.expect(http.StatusCreated, "POST", "/batches", create, &b); !strings.Contains(r.header.Get("X-Livy-Gateway-Ignored"), "spark.executor.memory") {
		t.Errorf("ignored: %q", r.header.Get("X-Livy-Gateway-Ignored"))
	}
	if state, log := cl.batchDoneWithin(6*time.Minute, b.ID); state != "success" {
		t.Errorf("the batch ended %s:\n%s", state, log)
	}

	refused := map[string]any{"file": jobFile(l), "name": "refused", "conf": map[string]string{"spark.my.files": "file:/etc/passwd"}}
	if r := cl.do("POST", "/batches", refused); r.status != http.StatusBadRequest {
		t.Fatalf("Livy answers %d: %s", r.status, r.body)
	}
	var list struct{ Sessions []batch }
	if cl.expect(http.StatusOK, "GET", "/batches", nil, &list); len(list.Sessions) != 1 {
		t.Errorf("Livy lists %+v, want the first batch alone", list.Sessions)
	}
	time.Sleep(4 * time.Second) // a poll of the lists
	if rec := c.records("etl"); len(rec) != 1 {
		t.Errorf("on record are %+v, want the first batch alone", rec)
	}
	delete(refused, "conf")
	cl.expect(http.StatusCreated, "POST", "/batches", refused, &b)
	if state, log := cl.batchDoneWithin(6*time.Minute, b.ID); state != "success" {
		t.Errorf("the batch of the same name ended %s:\n%s", state, log)
	}

	c.livy("gateway", "restart", "etl", "--wait")
	if r := cl.expect(http.StatusCreated, "POST", "/batches", create, &b); r.header.Get("X-Livy-Gateway-Ignored") != "" {
		t.Errorf("after the restart ignored: %q", r.header.Get("X-Livy-Gateway-Ignored"))
	}

	long := map[string]any{"file": jobFile(l), "args": []string{strings.Repeat("x", 131071)}}
	cl.expect(http.StatusCreated, "POST", "/batches", long, &b)
	long["args"] = []string{strings.Repeat("x", 131072)}
	if r := cl.do("POST", "/batches", long); r.status != http.StatusBadRequest || !strings.Contains(r.msg(t), "131071 bytes") {
		t.Errorf("an argument that is too long: %d %.300s", r.status, r.body)
	}
	// By a name of any script, as by id.
	var named struct {
		ID   int
		Name string
	}
	cl.expect(http.StatusCreated, "POST", "/batches", map[string]any{"file": jobFile(l), "name": "Umsätze: a/b (v2) @x"}, &b)
	cl.expect(http.StatusOK, "GET", "/batches/Ums%C3%A4tze:%20a%2Fb%20%28v2%29%20@x", nil, &named)
	if named.ID != b.ID {
		t.Errorf("found by its name: %+v, want %d", named, b.ID)
	}
}

// TestTwoHiveJobsAtOnce runs two batches with Hive's catalog beside one Livy.
func TestTwoHiveJobsAtOnce(t *testing.T) {
	l := processLive(t)
	dir := t.TempDir()
	job := filepath.Join(dir, "hive.py")
	write(t, job, "import sys, time\nfrom pyspark.sql import SparkSession\n"+
		"spark = SparkSession.builder.enableHiveSupport().getOrCreate()\n"+
		"spark.sql(f'create table {sys.argv[1]} (a int)')\ntime.sleep(20)\n"+
		"print('TABLES', [t.name for t in spark.catalog.listTables()])\n")
	c := newCaddy(t, storetest.StartServer(t), l.livyBlock+"\nlocal_dir "+dir)
	c.newGateway("etl")
	cl := client{t, c.url("etl"), c.newToken("etl").Token}
	var both [2]batch
	for i := range both {
		cl.expect(http.StatusCreated, "POST", "/batches", map[string]any{"file": "file:" + job, "args": []string{fmt.Sprintf("t%d", i)}}, &both[i])
	}
	for i, b := range both {
		state, log := cl.batchDoneWithin(6*time.Minute, b.ID)
		if state != "success" || !strings.Contains(log, fmt.Sprintf("TABLES ['t%d']", i)) {
			t.Errorf("batch %d ended %s:\n%s", i, state, log)
		}
	}
}
