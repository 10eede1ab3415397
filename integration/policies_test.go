package integration

import (
	"bytes"
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/policies"
	"github.com/livygateway/livygateway/policies/policytest"
)

// TestCorpusReachesSpark sends what the policy makes of each case to a real
// Livy, and asks two Sparks what they would make of the call of spark-submit
// that comes of it: that must be what the policy says it is, field by field.
func TestCorpusReachesSpark(t *testing.T) {
	judges := startJudges(t)
	// Livy refuses any deploy mode in requests unless class paths are free.
	l := startRecordingLivy(t, "livy.impersonation.enabled = true", "livy.server.session.allow-custom-classpath = true")
	dir := t.TempDir()
	for _, c := range creates(t, l) {
		if c.Status != 0 {
			continue
		}
		t.Run(c.Name, func(t *testing.T) {
			p, err := policies.Compile(c.Settings)
			if err != nil {
				t.Fatal(err)
			}
			kind := livy.KindSession
			if c.WantTarget == "/batches" {
				kind = livy.KindBatch
			}
			r, err := p.Create(kind, c.Header["Content-Encoding"], c.Header["Content-Type"], bytes.NewReader(c.Bytes()))
			if err != nil {
				t.Fatal(err)
			}
			s := l.create(t, c.WantTarget, r.Body)
			body := readCreate(t, r.Body)
			base := l.base(t, p, kind, body)
			// JVMs take their time, and read few settings.
			jvm := strings.Contains(string(r.Body), "emory") || strings.Contains(string(r.Body), "JavaOptions") || strings.Contains(string(r.Body), "JAVA")
			for _, m := range mastersOf(c.Settings.Master) {
				for _, spark := range judges {
					j := &judgement{settings: c.Settings, kind: kind, effect: r.Effective, body: body, master: m, judge: spark}
					if base != nil {
						call := base.judged(t, m, dir)
						call.JVM = jvm
						j.base = spark.judge(t, call)
					}
					call := s.judged(t, m, dir)
					call.JVM = jvm
					j.verdict = spark.judge(t, call)
					if j.verdict.Error != "" && (j.base == nil || j.base.Error == "") && !startsNothing[c.Name] {
						t.Errorf("Spark %s on %s: nothing starts: %s", spark.spark, m.url, j.verdict.Error)
					}
					for _, fault := range j.faults() {
						t.Errorf("Spark %s on %s: %s", spark.spark, m.url, fault)
					}
				}
			}
			if t.Failed() {
				t.Logf("sent %s\nspark-submit %s", r.Body, s.text())
			}
		})
	}
}

// startsNothing are cases that Spark refuses itself.
var startsNothing = map[string]bool{
	"4-json/numbers and truth values as strings":          true, // a heap of three bytes
	"10-doors/garbage collection where the heap is ruled": true, // flags that do not go together
	"10-doors/an agent where class paths are free":        true, // no such agent
}

// create sends a create request that must be accepted, and returns the call of
// spark-submit that comes of it.
func (l *recordingLivy) create(t testing.TB, target string, body []byte) *submission {
	t.Helper()
	status, text := l.send(t, "POST", target, nil, body)
	if status != 201 {
		t.Fatalf("Livy answers %d: %s\nto %s", status, text, body)
	}
	return l.next(t)
}

// base is the call for the same application when the client sets nothing else;
// nil if the policy refuses that.
func (l *recordingLivy) base(t testing.TB, p *policies.Policy, kind livy.Kind, c *create) *submission {
	t.Helper()
	target := "/batches"
	if kind == livy.KindSession {
		target = "/sessions"
	}
	r, err := p.Create(kind, "", "", bytes.NewReader(bare(kind, c)))
	if err != nil {
		return nil
	}
	return l.create(t, target, r.Body)
}

// bare is a request for the same application without any setting.
func bare(kind livy.Kind, c *create) []byte {
	fields := map[string]any{"file": c.File}
	if c.ClassName != "" {
		fields["className"] = c.ClassName
	}
	if kind == livy.KindSession {
		fields = map[string]any{}
		if c.Kind != "" {
			fields["kind"] = c.Kind
		}
	}
	text, err := json.Marshal(fields)
	if err != nil {
		panic(err)
	}
	return text
}

// TestBypassesReachSparkWithoutTheGateway sends the same requests straight at
// Livy: there they do get through, or the guard guards against nothing.
func TestBypassesReachSparkWithoutTheGateway(t *testing.T) {
	judges := startJudges(t)
	dir := t.TempDir()
	servers := map[bool]*recordingLivy{}
	for _, impersonation := range []bool{false, true} {
		line := "livy.impersonation.enabled = false"
		if impersonation {
			line = "livy.impersonation.enabled = true"
		}
		servers[impersonation] = startRecordingLivy(t, line)
	}
	tried := 0
	for _, c := range creates(t, servers[false]) {
		if len(c.Straight) == 0 && len(c.Judged) == 0 {
			continue
		}
		tried++
		t.Run(c.Name, func(t *testing.T) {
			// Where a user is asked for, impersonation is on; elsewhere it is off, as for most.
			l := servers[strings.Contains(c.Settings.Identity+strings.Join(c.Judged, " "), "proxyUser=") || c.Settings.Identity != ""]
			status, text := l.send(t, c.Method, c.Target, c.Header, c.Bytes())
			if status != 201 {
				t.Fatalf("Livy answers %d: %s", status, text)
			}
			s := l.next(t)
			for _, want := range c.Straight {
				if !strings.Contains(s.text(), want) {
					t.Errorf("%q does not reach spark-submit:\n%s", want, s.text())
				}
			}
			if len(c.Judged) == 0 {
				return
			}
			for _, spark := range judges {
				v := spark.judge(t, s.judged(t, mastersOf(c.Settings.Master)[0], dir))
				for _, want := range c.Judged {
					if name, value, _ := strings.Cut(want, "="); v.find(name) != value {
						t.Errorf("Spark %s: %s is %q, want %q (%s)\n%q", spark.spark, name, v.find(name), value, v.Error, v.Command)
					}
				}
			}
		})
	}
	if tried < 40 {
		t.Errorf("%d bypasses tried, want at least 40", tried)
	}
	t.Run("doAs in the query is the user", func(t *testing.T) {
		l := servers[true]
		status, text := l.send(t, "POST", "/batches?doAs=hdfs", nil, []byte(`{"file": "hdfs:///job.py", "proxyUser": "alice"}`))
		if status != 201 {
			t.Fatalf("Livy answers %d: %s", status, text)
		}
		if s := l.next(t); !strings.Contains(s.text(), "--proxy-user hdfs ") {
			t.Errorf("the user is another: %s", s.text())
		}
	})
}

// creates are the corpus' create requests that a server of this version can
// be asked.
func creates(t testing.TB, l *recordingLivy) []policytest.Case {
	t.Helper()
	var out []policytest.Case
	skipped := 0
	for _, c := range policytest.Load(t, filepath.Join(root, "policies", "testdata")) {
		path, _, _ := strings.Cut(c.Target, "?")
		if c.WantTarget != "" {
			path = c.WantTarget
		}
		version := c.Settings.LivyVersion
		switch {
		case strings.Contains(path, "/3"), strings.ToUpper(c.Method) != "POST":
		case version != "" && version != l.version:
		case strings.HasPrefix(l.version, "0.7") && (strings.HasPrefix(path, "/sessions") || strings.Contains(path, ";") || c.Header["Content-Encoding"] != ""):
			// Livy 0.7.1 from Maven has no interpreters, decodes no bodies and does
			// not cut paths at a semicolon.
			skipped++
		default:
			out = append(out, c)
		}
	}
	if skipped > 0 {
		t.Logf("%d cases need Livy 0.8.0", skipped)
	}
	return out
}
