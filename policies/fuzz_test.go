package policies_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/policies"
	"github.com/livygateway/livygateway/policies/policytest"
)

// blacklist reads the lines of a blacklist.
func blacklist(t testing.TB, text string) []policies.Denied {
	t.Helper()
	list, err := policies.ParseBlacklist(policies.File{Text: text})
	if err != nil {
		t.Fatal(err)
	}
	return list
}

// strict is a policy with something of everything.
func strict(t testing.TB) *policies.Policy {
	t.Helper()
	p, err := policies.Compile(policies.Settings{
		Master:      "yarn",
		Blacklist:   blacklist(t, "spark.executor.memory\nspark.driver.memoryOverhead\nspark.sql.*\nspark.archives\nspark.driver.extraJavaOptions\nspark.excludeOnFailure.*\n"),
		Queue:       "root.etl",
		Identity:    "etl",
		Environment: &policies.Environment{Name: "env", Jars: []string{"hdfs:///env.jar"}, Conf: map[string]string{"spark.executor.cores": "2", "spark.pyspark.python": "./env/bin/python"}, Env: map[string]string{"TZ": "UTC"}},
		Labels:      map[string]string{"gateway": "etl"},
		Guards:      policies.Guards{LocalDirs: []string{"/allowed"}},
		Rules:       []policies.Rule{{Key: "numExecutors", Max: "10", Action: policies.Lower}, {Key: "driverMemory", Max: "4g", Action: policies.Lower}, {Key: "ttl", Max: "8h", Action: policies.Lower}},
	})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// What must never come out of strict, written down without the tables.
var (
	forbiddenFields = []string{"executorMemory", "archives"}
	forbiddenKeys   = regexp.MustCompile(`^(livy\..*|spark\.livy\..*|spark\.__livy__\..*|spark\.yarn\.queue|spark\.executor\.memory|spark\.executor\.cores|` +
		`spark\.executorEnv\.(_JAVA_OPTIONS|JAVA_TOOL_OPTIONS|JDK_JAVA_OPTIONS|HADOOP_USER_NAME|HADOOP_PROXY_USER|SPARK_USER|PYSPARK_PYTHON)|` +
		`spark\.(yarn\.appMasterEnv|kubernetes\.driverEnv)\.(_JAVA_OPTIONS|JAVA_TOOL_OPTIONS|JDK_JAVA_OPTIONS|HADOOP_USER_NAME|HADOOP_PROXY_USER|SPARK_USER|PYSPARK_PYTHON)|` +
		`spark\.driver\.memoryOverhead|spark\.yarn\.driver\.memoryOverhead|spark\.driver\.memoryOverheadFactor|spark\.sql\..*|spark\.archives|spark\.yarn\.dist\.archives|` +
		`spark\.driver\.(extra|default)JavaOptions|spark\.(blacklist|excludeOnFailure)\..*|.*[=\s\x00-\x20].*|)$`)
	forced = map[string]string{"queue": `"root.etl"`, "proxyUser": `"etl"`, "executorCores": "2"}
	sizes  = regexp.MustCompile(`^(?i)\s*([0-9]+)\s*(b|k|kb|m|mb|g|gb|t|tb|p|pb|)\s*$`)
)

func FuzzCreate(f *testing.F) {
	for _, c := range policytest.Load(f, "testdata") {
		if c.Body != "" && !strings.Contains(c.Encode, "large") {
			f.Add(c.Bytes(), c.Header["Content-Encoding"], strings.HasPrefix(c.Target, "/batches"))
		}
	}
	p := strict(f)
	f.Fuzz(func(t *testing.T, body []byte, encoding string, batch bool) {
		kind := livy.KindSession
		if batch {
			kind = livy.KindBatch
		}
		r, err := p.Create(kind, encoding, "application/json", bytes.NewReader(body))
		if err != nil {
			if r.Body != nil {
				t.Fatalf("refused, but with a body to send: %s", r.Body)
			}
			return
		}
		inspect(t, r.Body)
		again, err := p.Create(kind, "", "", bytes.NewReader(r.Body))
		if err != nil {
			t.Fatalf("its own output is refused: %v: %s", err, r.Body)
		}
		inspect(t, again.Body)
		for _, header := range []string{r.Report.IgnoredHeader(), r.Report.ForcedHeader()} {
			if len(header) > 2048 || strings.ContainsAny(header, "\r\n\x00") || !utf8.ValidString(header) {
				t.Fatalf("a header that is none: %q", header)
			}
		}
	})
}

// inspect re-reads what comes out with another parser.
func inspect(t *testing.T, body []byte) {
	t.Helper()
	var top map[string]json.RawMessage
	dec := json.NewDecoder(bytes.NewReader(body))
	if err := dec.Decode(&top); err != nil {
		t.Fatalf("not JSON: %v: %s", err, body)
	}
	if dec.More() {
		t.Fatalf("more than one value: %s", body)
	}
	for name, want := range forced {
		if string(top[name]) != want {
			t.Fatalf("%s is %s, want %s: %s", name, top[name], want, body)
		}
	}
	for _, name := range forbiddenFields {
		if _, ok := top[name]; ok {
			t.Fatalf("%s came out: %s", name, body)
		}
	}
	var conf map[string]string
	if err := json.Unmarshal(top["conf"], &conf); err != nil {
		t.Fatalf("conf: %v: %s", err, body)
	}
	for key := range conf {
		if forbiddenKeys.MatchString(key) {
			t.Fatalf("%q came out: %s", key, body)
		}
	}
	for key, want := range map[string]string{"spark.pyspark.python": "./env/bin/python", "spark.executorEnv.TZ": "UTC", "spark.livygateway.gateway": "etl"} {
		if conf[key] != want {
			t.Fatalf("%s is %q, want %q", key, conf[key], want)
		}
	}
	inspectCaps(t, top, conf)
	for _, list := range []string{"jars", "files", "pyFiles"} {
		var uris []string
		if raw := top[list]; raw != nil {
			if err := json.Unmarshal(raw, &uris); err != nil {
				t.Fatal(err)
			}
		}
		if list == "jars" && (len(uris) == 0 || uris[0] != "hdfs:///env.jar") {
			t.Fatalf("jars are %q", uris)
		}
		for _, uri := range append(uris, strings.Split(conf["spark."+list], ",")...) {
			inspectURI(t, uri)
		}
	}
}

func inspectCaps(t *testing.T, top map[string]json.RawMessage, conf map[string]string) {
	t.Helper()
	for _, n := range []string{string(top["numExecutors"]), conf["spark.executor.instances"], conf["spark.dynamicAllocation.maxExecutors"], conf["spark.dynamicAllocation.minExecutors"]} {
		var executors int64
		if n == "" {
			continue
		}
		if _, err := fmt.Sscan(n, &executors); err != nil || executors > 10 {
			t.Fatalf("%q executors, want at most 10", n)
		}
	}
	memory := conf["spark.driver.memory"]
	if raw := top["driverMemory"]; raw != nil {
		_ = json.Unmarshal(raw, &memory)
	}
	if memory == "" {
		return
	}
	m := sizes.FindStringSubmatch(memory)
	if m == nil {
		t.Fatalf("driver memory %q is no size", memory)
	}
	var n int64
	if _, err := fmt.Sscan(m[1], &n); err != nil {
		t.Fatal(err)
	}
	shift := map[string]int{"b": 0, "k": 10, "kb": 10, "": 20, "m": 20, "mb": 20, "g": 30, "gb": 30, "t": 40, "tb": 40, "p": 50, "pb": 50}[strings.ToLower(m[2])]
	if n > (4<<30)>>shift {
		t.Fatalf("driver memory is %s, want at most 4g", memory)
	}
}

func inspectURI(t *testing.T, uri string) {
	t.Helper()
	lower := strings.ToLower(strings.TrimSpace(uri))
	local := strings.HasPrefix(lower, "file:") || strings.HasPrefix(lower, "local:")
	if local && !regexp.MustCompile(`^(file|local):(//)?/allowed/`).MatchString(strings.TrimSpace(uri)) {
		t.Fatalf("%q came out", uri)
	}
	segments := strings.FieldsFunc(strings.ReplaceAll(lower, "%2e", "."), func(c rune) bool { return c == '/' || c == '{' || c == '}' })
	if slices.Contains(segments, "..") {
		t.Fatalf("%q came out", uri)
	}
}

func FuzzBlacklist(f *testing.F) {
	f.Add("# comment\nspark.executor.memory\n\nspark.sql.*\r\n", "spark.sql.x")
	f.Add("\ufeffspark.a", "spark.a")
	f.Add("spark.*", "executorMemory")
	f.Add("spark.a = b", "spark.a")
	f.Add("*", "spark.a")
	f.Add("spark.a*b", "spark.a")
	f.Add("file", "file")
	f.Add("spark.hive.*", "spark.hadoop.hive.x")
	f.Fuzz(func(t *testing.T, text, key string) {
		list, err := policies.ParseBlacklist(policies.File{Name: "list.conf", Text: text})
		if err != nil {
			if !regexp.MustCompile(`^list\.conf:[0-9]+: `).MatchString(err.Error()) {
				t.Fatalf("no file and line in %q", err)
			}
			return
		}
		p, err := policies.Compile(policies.Settings{Blacklist: list})
		if err != nil {
			t.Fatal(err)
		}
		candidates := []string{key}
		for line := range strings.SplitSeq(strings.TrimPrefix(text, "\ufeff"), "\n") {
			if line = strings.TrimSpace(line); line != "" && line[0] != '#' {
				candidates = append(candidates, strings.ReplaceAll(line, "*", "x"))
			}
		}
		for i, key := range candidates {
			body, err := json.Marshal(map[string]any{"file": "hdfs:///x", "conf": map[string]string{key: "1"}})
			if err != nil {
				t.Fatal(err)
			}
			r, err := p.Create(livy.KindBatch, "", "", bytes.NewReader(body))
			if err == nil && i > 0 && strings.Contains(string(r.Body), `"conf"`) {
				t.Fatalf("%q is listed and came out: %s", key, r.Body)
			}
		}
	})
}
