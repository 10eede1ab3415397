package integration

import (
	"bytes"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/policies"
	"github.com/livygateway/livygateway/policies/policytest"
)

// TestCorpusReachesSpark sends what the policy makes of each case to a real
// Livy, and looks at what reaches spark-submit: everything that the policy says
// is there, and nothing that it took out.
func TestCorpusReachesSpark(t *testing.T) {
	l := startRecordingLivy(t, "livy.impersonation.enabled = true")
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
			status, text := l.send(t, c.WantMethod, c.WantTarget, nil, r.Body)
			if status != 201 {
				t.Fatalf("Livy answers %d: %s\nto %s", status, text, r.Body)
			}
			s := l.next(t)
			want := settingsOf(t, string(r.Body))
			for key, value := range want {
				if got := s.settings[key]; got != value && strings.HasPrefix(key, "spark.") && !extended(key, got, value) {
					t.Errorf("%s reaches Spark as %q, want %q", key, got, value)
				}
			}
			if user := want["proxyUser"]; s.settings["proxyUser"] != user && s.settings["spark.__livy__.livy.rsc.proxy-user"] != user {
				t.Errorf("the user is %q, want %q: %s", s.settings["proxyUser"], user, s.text())
			}
			for _, e := range r.Report.Ignored {
				key := e.Key
				if k := fieldKeys[key]; k != "" {
					key = k
				}
				for _, name := range []string{key, "spark.__livy__." + key} {
					if got, ok := s.settings[name]; ok && want[name] == "" && holds(got, e.Given) {
						t.Errorf("%s was ignored and reaches Spark as %q", name, got)
					}
				}
			}
		})
	}
}

// holds says whether any of the values that a client gave, as a report shows
// them, is in what reaches Spark. Of a secret the report shows nothing.
func holds(got, given string) bool {
	if given == policies.Redact("password", "") {
		return true
	}
	return slices.ContainsFunc(strings.FieldsFunc(given, func(c rune) bool { return strings.ContainsRune(`[]" `, c) }), func(v string) bool {
		return strings.Contains(got, v)
	})
}

// extended says that Livy or YARN's client added values of its own to a list.
func extended(key, got, want string) bool {
	switch key {
	case "spark.jars", "spark.submit.pyFiles", "spark.yarn.tags", "spark.archives", "spark.files", "spark.yarn.dist.archives":
		return strings.Contains(got, want)
	}
	return false
}

// TestBypassesReachSparkWithoutTheGateway sends the same requests straight at
// Livy: there they do get through, or the guard guards against nothing.
func TestBypassesReachSparkWithoutTheGateway(t *testing.T) {
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
		if len(c.Straight) == 0 {
			continue
		}
		tried++
		t.Run(c.Name, func(t *testing.T) {
			l := servers[false]
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
		if s := l.next(t); s.settings["proxyUser"] != "hdfs" {
			t.Errorf("the user is %q", s.settings["proxyUser"])
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
