package integration

import (
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/policies"
)

// create is a create request as it is sent to Livy, read without the policy's
// own code.
type create struct {
	Kind, File, ClassName, Name, ProxyUser, Queue string
	DriverMemory, ExecutorMemory                  string
	DriverCores, ExecutorCores, NumExecutors      int64
	Args, Jars, PyFiles, Files, Archives          []string
	Conf                                          map[string]string

	given map[string]json.RawMessage
}

func parseCreate(body []byte) (*create, error) {
	var c create
	if err := json.Unmarshal(body, &c); err != nil {
		return nil, fmt.Errorf("%w: %s", err, body)
	}
	return &c, json.Unmarshal(body, &c.given)
}

func readCreate(t testing.TB, body []byte) *create {
	t.Helper()
	c, err := parseCreate(body)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// judgement is a create request that a policy let through, and what Spark makes
// of it.
type judgement struct {
	settings policies.Settings
	kind     livy.Kind
	effect   policies.Effective
	body     *create
	master   master
	judge    *judge
	verdict  *verdict
	// base is what Spark makes of the same application when the client sets
	// nothing; nil if the policy asks for more than that.
	base *verdict
}

// faults are the contradictions between what Spark makes of a request and what
// the policy says and its settings demand. The words before the first colon
// tell the kind of fault.
func (j *judgement) faults() []string {
	if j.verdict.Error != "" {
		return j.faultsOfStart()
	}
	return slices.Concat(j.faultsOfStart(), j.identity(), j.application(), j.lists(), j.resources(), j.conf(), j.caps(), j.blacklist())
}

// faultsOfStart look at the JVMs, whose options must not change what they run.
func (j *judgement) faultsOfStart() []string {
	var out []string
	jvms := map[string]*jvm{"spark-submit": j.verdict.SubmitJVM, "driver": j.verdict.DriverJVM, "executor": j.verdict.ExecutorJVM}
	for _, of := range slices.Sorted(maps.Keys(jvms)) {
		m := jvms[of]
		if m == nil {
			continue
		}
		if strings.Contains(m.Error, "find or load main class") || strings.Contains(m.Error, "jarfile") || strings.Contains(m.Error, "Module a not found") {
			out = append(out, fmt.Sprintf("main class of the %s: %s", of, m.Error))
		}
		if m.Error != "" {
			continue
		}
		if !slices.Equal(m.Args, []string{untouched}) {
			out = append(out, fmt.Sprintf("main class of the %s: its JVM's options hold arguments %q", of, m.Args))
		}
		if m.ClassPath != j.judge.probe && !j.settings.CustomClasspath {
			out = append(out, fmt.Sprintf("class path of the %s: %s", of, m.ClassPath))
		}
		for _, name := range slices.Sorted(maps.Keys(m.Properties)) {
			if strings.HasPrefix(name, "spark.") || strings.HasPrefix(name, "livy.") || strings.HasPrefix(name, "HADOOP_") {
				out = append(out, fmt.Sprintf("property of the %s: %s is %q", of, name, m.Properties[name]))
			}
		}
	}
	return out
}

func (j *judgement) identity() []string {
	var out []string
	v := j.verdict
	want := j.effect.ProxyUser
	if j.settings.Identity != "" {
		want = j.settings.Identity
	}
	if got := v.Submit["proxyUser"]; got != want {
		out = append(out, fmt.Sprintf("user: %q, want %q", got, want))
	}
	for _, of := range []string{"spark.executorEnv.", "spark.yarn.appMasterEnv.", "spark.kubernetes.driverEnv."} {
		for _, name := range []string{"HADOOP_USER_NAME", "HADOOP_PROXY_USER", "SPARK_USER"} {
			if got, ok := v.Conf[of+name]; ok && !j.forcedByGateway(of+name) && (j.settings.Identity != "" || !j.settings.ClientIdentity) {
				out = append(out, fmt.Sprintf("user: %s is %q", of+name, got))
			}
		}
	}
	if v.Submit["keytab"] != "" && v.Submit["keytab"] != j.body.Conf["spark.kerberos.keytab"] && v.Submit["keytab"] != j.body.Conf["spark.yarn.keytab"] {
		out = append(out, fmt.Sprintf("keytab: %q", v.Submit["keytab"]))
	}
	want = j.effect.Queue
	if j.settings.Queue != "" {
		want = j.settings.Queue
	}
	want = strings.TrimSpace(want) // as SparkSubmit does
	got := v.Submit["queue"]
	if got == "" || j.master.url == "yarn" && v.Unprepared == "" {
		got = v.Conf["spark.yarn.queue"]
	}
	if got = strings.TrimSpace(got); got != want && (want != "" || got != "default") {
		out = append(out, fmt.Sprintf("queue: %q, want %q", got, want))
	}
	if got, want := [2]string{v.Submit["master"], v.Conf["spark.submit.deployMode"]}, [2]string{j.master.url, j.master.deployMode}; got != want && v.Unprepared == "" && got[0] != "k8s://"+want[0] {
		out = append(out, fmt.Sprintf("master: %q, want %q", got, want))
	}
	return out
}

// forcedByGateway reports whether the gateway's own environment sets the key.
func (j *judgement) forcedByGateway(key string) bool {
	e := j.settings.Environment
	if e == nil {
		return false
	}
	_, env := e.Env[key[strings.LastIndexByte(key, '.')+1:]]
	_, conf := e.Conf[key]
	return env || conf
}

func (j *judgement) application() []string {
	var out []string
	v := j.verdict
	class, file, args := j.body.ClassName, j.body.File, j.body.Args
	if j.kind == livy.KindSession {
		class, file, args = "org.apache.livy.rsc.driver.RSCDriverBootstrapper", "spark-internal", nil
	}
	if got := v.Submit["mainClass"]; class != "" && got != class {
		out = append(out, fmt.Sprintf("main class: %q, want %q", got, class))
	}
	if got := v.Submit["primaryResource"]; plainURI(got) != plainURI(file) {
		out = append(out, fmt.Sprintf("file: %q, want %q", got, file))
	}
	// The launcher takes a carriage return off the end of each.
	if !slices.EqualFunc(v.Args, args, func(got, want string) bool { return got == strings.TrimSuffix(want, "\r") }) {
		out = append(out, fmt.Sprintf("args: %q, want %q", v.Args, args))
	}
	if got := v.Submit["name"]; j.body.Name != "" && got != j.body.Name {
		out = append(out, fmt.Sprintf("name: %q, want %q", got, j.body.Name))
	}
	if got := v.Submit["propertiesFile"]; (got != "") != (j.kind == livy.KindSession) {
		out = append(out, fmt.Sprintf("properties file: %q", got))
	}
	// What the launcher puts before Spark's own jars.
	if at := slices.Index(v.Command, "-cp"); at > 0 && at+1 < len(v.Command) && !j.settings.CustomClasspath {
		for entry := range strings.SplitSeq(v.Command[at+1], ":") {
			if !strings.HasPrefix(entry, j.judge.home+"/") && !j.allowed(entry) && !strings.Contains(strings.Join(j.ownPaths(), ":"), entry) {
				out = append(out, fmt.Sprintf("class path: %q", entry))
			}
		}
	}
	return out
}

// plainURI is a URI by which two spellings of a local path compare.
func plainURI(uri string) string {
	for _, local := range []string{"file:", "local:"} {
		if rest, ok := strings.CutPrefix(uri, local); ok {
			uri = "/" + strings.TrimLeft(rest, "/")
		}
	}
	for strings.Contains(uri, "//") {
		uri = strings.ReplaceAll(uri, "//", "/")
	}
	return strings.TrimSuffix(uri, "/")
}

func split(list string) []string {
	var out []string
	for entry := range strings.SplitSeq(list, ",") {
		if entry = strings.TrimSpace(entry); entry != "" {
			out = append(out, entry)
		}
	}
	return out
}

// allowed reports whether a local path is in a directory that the settings allow.
func (j *judgement) allowed(local string) bool {
	clean := path.Clean(local)
	return slices.ContainsFunc(j.settings.LocalDirs, func(dir string) bool { return strings.HasPrefix(clean, strings.TrimSuffix(dir, "/")+"/") })
}

// ownPaths are the files that the gateway's settings name.
func (j *judgement) ownPaths() []string {
	var own []string
	if e := j.settings.Environment; e != nil {
		own = slices.Concat(e.Jars, e.Files, e.PyFiles, e.Archives, slices.Collect(maps.Values(e.Conf)))
	}
	if f := j.settings.Fusion; f != nil {
		own = slices.Concat(own, f.Jars, slices.Collect(maps.Values(f.Conf)))
	}
	return own
}

// lists look at everything that names files.
func (j *judgement) lists() []string {
	var out []string
	v := j.verdict
	conf := j.body.Conf
	asked := slices.Concat(j.body.Jars, j.body.Files, j.body.PyFiles, j.body.Archives, []string{j.body.File})
	for _, value := range conf {
		asked = append(asked, strings.FieldsFunc(value, func(c rune) bool { return c == ',' || c == ' ' })...)
	}
	asked = append(asked, j.ownPaths()...)
	known := map[string]bool{}
	for _, uri := range asked {
		known[plainURI(uri)] = true
	}
	got := map[string]string{
		"jars": v.Submit["jars"], "files": v.Submit["files"], "pyFiles": v.Submit["pyFiles"],
		"archives": v.Submit["archives"], "file": v.Submit["primaryResource"],
	}
	for key, value := range v.Conf {
		if namesFiles(key) {
			got[key] = value
		}
	}
	base := map[string]bool{}
	if j.base != nil {
		for _, list := range []map[string]string{j.base.Submit, j.base.Conf} {
			for _, value := range list {
				for _, uri := range split(value) {
					base[uri] = true
				}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(got)) {
		for _, uri := range split(got[name]) {
			plain := plainURI(uri)
			switch {
			case base[uri], livysOwn(uri), strings.Contains(plain, "/spark-") && strings.Contains(plain, "/Test"):
				// Livy's libraries, and what SparkSubmit fetched into a folder of its own.
			case !known[plain]:
				out = append(out, fmt.Sprintf("%s: %q, which nobody asked for", name, uri))
			case strings.HasPrefix(plain, "/") && strings.HasPrefix(uri, "file:") && !j.bare(plain) && !j.allowed(plain) && !slices.Contains(j.ownPaths(), uri):
				out = append(out, fmt.Sprintf("%s: local file %q", name, uri))
			}
		}
	}
	for _, want := range []struct {
		name string
		uris []string
		got  string
	}{
		{"jars", j.body.Jars, v.Submit["jars"]},
		{"files", j.body.Files, v.Submit["files"]},
		{"pyFiles", j.body.PyFiles, v.Submit["pyFiles"]},
		{"archives", j.body.Archives, v.Conf["spark.yarn.dist.archives"]},
	} {
		have := map[string]bool{}
		for _, uri := range split(want.got) {
			have[plainURI(uri)] = true
		}
		for _, uri := range want.uris {
			if !have[plainURI(uri)] {
				out = append(out, fmt.Sprintf("%s: %q is missing in %q", want.name, uri, want.got))
			}
		}
	}
	return out
}

// bare reports whether the request names the path without a scheme: that is one
// on the default file system, which here is the local one, with Livy's own list of
// allowed directories before it.
func (j *judgement) bare(local string) bool {
	fields := slices.Concat(j.body.Jars, j.body.Files, j.body.PyFiles, j.body.Archives, []string{j.body.File})
	for _, key := range livyLists {
		fields = append(fields, strings.FieldsFunc(j.body.Conf[key], func(c rune) bool { return c == ',' || c == ' ' })...)
	}
	return slices.ContainsFunc(fields, func(uri string) bool { return strings.HasPrefix(uri, "/") && plainURI(uri) == local })
}

// namesFiles are the settings whose files spark-submit, YARN's client or executors fetch.
func namesFiles(key string) bool {
	switch key {
	case "spark.jars", "spark.files", "spark.archives", "spark.submit.pyFiles", "spark.repl.local.jars", "spark.kerberos.keytab", "spark.yarn.keytab":
		return true
	case "spark.yarn.dist.jars", "spark.yarn.dist.files", "spark.yarn.dist.archives", "spark.yarn.dist.pyFiles":
		return true
	}
	return strings.HasPrefix(key, "spark.app.initial.")
}

// livysOwn reports whether Livy adds the file to every session.
func livysOwn(uri string) bool {
	return strings.Contains(uri, "/rsc-jars/") || strings.Contains(uri, "/repl_2.") || strings.Contains(uri, "/python/lib/") || strings.Contains(uri, "/R/lib/")
}

// read is a setting as Spark reads it.
func (v *verdict) read(key, fallback string) string {
	if s, ok := v.Read[key]; ok {
		return s
	}
	return fallback
}

func (v *verdict) number(key string, fallback int64) int64 {
	n, err := strconv.ParseInt(v.read(key, strconv.FormatInt(fallback, 10)), 10, 64)
	if err != nil {
		return -1
	}
	return n
}
