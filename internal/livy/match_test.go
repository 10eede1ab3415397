package livy_test

import (
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/livy"
)

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		method, path, query string
		route, uri          string // uri is what Livy gets with base 100
	}{
		{"GET", "/version", "", "version", "/version"},
		{"GET", "/sessions", "", "session.list", "/sessions"},
		{"GET", "/sessions", "from=2&size=-1", "session.list", "/sessions?from=2&size=-1"},
		{"POST", "/sessions/", "", "session.create", "/sessions"},
		{"post", "/batches", "", "batch.create", "/batches"},
		{"HEAD", "/batches/101", "", "batch.get", "/batches/1"},
		{"GET", "/sessions/100/state", "", "session.state", "/sessions/0/state"},
		{"DELETE", "/sessions/2147483647", "", "session.delete", "/sessions/2147483547"},
		{"GET", "/sessions/134/statements", "order=DESC&size=3&from=0&from2=1", "session.statement.list", "/sessions/34/statements?from=0&size=3&order=desc"},
		{"POST", "/sessions/134/statements/7/cancel", "", "session.statement.cancel", "/sessions/34/statements/7/cancel"},
		{"GET", "/sessions/134/jobs/0", "", "session.job.get", "/sessions/34/jobs/0"},
		{"POST", "/batches", "doAs=hdfs&_method=DELETE&user.name=root", "batch.create", "/batches"},
		{"GET", "/batches/101", "from=1", "batch.get", "/batches/1"},
		{"GET", "/batches", "f%72om=1&%66rom=x", "batch.list", "/batches"},
	} {
		req, err := livy.Match(c.method, c.path, c.query)
		if err != nil {
			t.Errorf("%s %s: %v", c.method, c.path, err)
			continue
		}
		if uri, ok := req.UpstreamURI(100); req.Route.Name != c.route || uri != c.uri || !ok {
			t.Errorf("%s %s?%s: %s %s, want %s %s", c.method, c.path, c.query, req.Route.Name, uri, c.route, c.uri)
		}
	}
}

func TestMatchRefuses(t *testing.T) {
	for _, c := range []struct {
		method, path, query string
		status              int
	}{
		{"GET", "/", "", 404},
		{"GET", "/metrics", "", 404},
		{"GET", "/metrics/threads", "", 404},
		{"GET", "/ui", "", 404},
		{"GET", "/static/js/x.js", "", 404},
		{"GET", "/Batches", "", 404},
		{"GET", "/sessions/1/", "", 404},
		{"GET", "/sessions/1/state/", "", 404},
		{"GET", "/sessions/007", "", 404},
		{"GET", "/sessions/2147483648", "", 404},
		{"GET", "/sessions/99999999999999999999", "", 404},
		{"GET", "/sessions/1/statements/+1", "", 400},
		{"GET", "/sessions/1/statements/x", "", 404},
		{"GET", "/sessions/1/statements/1/2/3/4/5", "", 404},
		{"GET", "/batches/1/statements", "", 404},
		{"GET", "", "", 400},
		{"GET", "batches", "", 400},
		{"GET", "*", "", 400},
		{"GET", "http://any/batches", "", 400},
		{"GET", "//batches", "", 400},
		{"GET", "/batches//", "", 400},
		{"GET", "/batches;x=y", "", 400},
		{"GET", "/batches/;/", "", 400},
		{"GET", "/%62atches", "", 400},
		{"GET", "/sessions/34;x/state", "", 400},
		{"GET", "/sessions/34%3Bx/state", "", 400},
		{"GET", "/sessions/34/%2E", "", 400},
		{"GET", "/sessions/34%5cstate", "", 400},
		{"GET", "/sessions/%2534", "", 400},
		{"GET", "/sessions/34\\state", "", 400},
		{"GET", "/sessions/../batches", "", 400},
		{"GET", "/sessions/./1", "", 400},
		{"GET", "/sessions/%2e%2e/batches", "", 400},
		{"GET", "/sessions/\x00", "", 400},
		{"GET", "/sessions/%00", "", 400},
		{"GET", "/sessions/٣", "", 400},
		{"GET", "/sessions/%D9%A3", "", 400},
		{"GET", "/batches#x", "", 400},
		{"GET", "/batches/.", "", 400},
		{"GET", "/sessions", "from=x", 400},
		{"GET", "/sessions", "from=99999999999", 400},
		{"GET", "/sessions", "size=1&size=2", 400},
		{"GET", "/sessions", "size=", 400},
		{"GET", "/sessions", "size=--1", 400},
		{"PUT", "/sessions", "", 405},
		{"OPTIONS", "/sessions", "", 405},
		{"TRACE", "/batches/1", "", 405},
		{"", "/batches/1", "", 405},
		{"POST", "/batches/1", "_method=DELETE", 405},
	} {
		req, err := livy.Match(c.method, c.path, c.query)
		var e *livy.Error
		if !errors.As(err, &e) || e.Status != c.status {
			t.Errorf("%s %q?%s: got %+v, %v, want status %d", c.method, c.path, c.query, req, err, c.status)
		}
	}
	_, err := livy.Match("PUT", "/sessions/3", "")
	var e *livy.Error
	if !errors.As(err, &e) || e.Allow != "GET, HEAD, DELETE" {
		t.Errorf("Allow: %+v", err)
	}
}

// TestDoubledSlash: what a client makes of an address that ends in a slash is told so.
func TestDoubledSlash(t *testing.T) {
	_, err := livy.Match("POST", "//batches", "")
	var e *livy.Error
	if !errors.As(err, &e) || e.Status != 400 || !strings.Contains(e.Message, "ends in a slash") {
		t.Errorf("%v", err)
	}
}

func TestMatchByName(t *testing.T) {
	req, err := livy.Match("GET", "/sessions/my%20one.2/state", "")
	if err != nil || req.Name != "my one.2" || req.ID != -1 {
		t.Fatalf("%+v, %v", req, err)
	}
	if uri, ok := req.UpstreamURI(0); ok {
		t.Errorf("a name went upstream: %s", uri)
	}
	if p := req.Path(); p != "/sessions/my%20one.2/state" {
		t.Error(p)
	}
	req.ID = 7
	if p := req.Path(); p != "/sessions/7/state" {
		t.Error(p)
	}
	if uri, ok := req.UpstreamURI(5); uri != "/sessions/2/state" || !ok {
		t.Error(uri, ok)
	}
	if _, ok := req.UpstreamURI(8); ok {
		t.Error("an id from before the base went upstream")
	}
}

// TestNamesOfAllScripts: whatever name a create may have finds it.
func TestNamesOfAllScripts(t *testing.T) {
	for segment, name := range map[string]string{
		"dag:task": "dag:task", "dag%3Atask": "dag:task", "Ums%C3%A4tze": "Umsätze", "Umsätze": "Umsätze", "U%CC%88": "U\u0308",
		"job%20%28v2%29": "job (v2)", "job%20(v2)": "job (v2)", "etl@x": "etl@x", "a%2Fb": "a/b", "%5Bt%5D": "[t]", "[t]": "[t]",
		"a+b": "a+b", "a,b": "a,b", "Job%20%2312%20%26%20load": "Job #12 & load", "2026-01-31": "2026-01-31",
		"%E0%A4%B9%E0%A4%BF": "हि", "%D9%A3x": "٣x",
	} {
		if reason := livy.BadName(name); reason != "" {
			t.Errorf("%q: %s", name, reason)
		}
		req, err := livy.Match("GET", "/batches/"+segment+"/state", "")
		if err != nil || req.Name != name || req.ID != -1 {
			t.Errorf("%s: %+v, %v", segment, req, err)
			continue
		}
		if again, err := livy.Match("GET", req.Path(), ""); err != nil || again.Name != name {
			t.Errorf("%s reads back as %q, %v", req.Path(), again.Name, err)
		}
	}
	for _, name := range []string{"", "12", "٣", "...", "../../version", "a/./b", "()", "-x", " x", "x ", "a;b", "a%b", "a?b", `a\b`, "a\x00b", "a\u200bb", "<b>", "$(id)", "a\xffb", strings.Repeat("ü", 256)} {
		if livy.BadName(name) == "" {
			t.Errorf("%q can be a name", name)
		}
		if req, err := livy.Match("GET", "/batches/"+url.PathEscape(name), ""); err == nil && req.Name != "" {
			t.Errorf("%q was found as a name", name)
		}
	}
	if reason := livy.BadName(strings.Repeat("ü", 255)); reason != "" {
		t.Error(reason)
	}
}

func TestMatchCostsNothing(t *testing.T) {
	n := testing.AllocsPerRun(100, func() {
		req, err := livy.Match("GET", "/sessions/17/statements/3", "")
		if err != nil || req.Sub != 3 {
			t.Fatal(err)
		}
	})
	if n != 0 {
		t.Errorf("%v allocations for a poll, want none", n)
	}
}

func BenchmarkMatchPoll(b *testing.B) {
	b.ReportAllocs()
	for b.Loop() {
		req, err := livy.Match("GET", "/sessions/17/statements/3", "")
		if err != nil {
			b.Fatal(err)
		}
		if uri, _ := req.UpstreamURI(0); uri == "" {
			b.Fatal("no uri")
		}
	}
}

func TestShiftIDs(t *testing.T) {
	for _, c := range []struct{ route, in, want string }{
		{"session.get", `{"id":3,"name":null,"appInfo":{"id":9}, "x":1.50,"big":12345678901234567890}`, `{"id":103,"name":null,"appInfo":{"id":9}, "x":1.50,"big":12345678901234567890}`},
		{"batch.list", `{"from":0,"total":2,"sessions":[{"state":"dead","id":0},{"id": 1 }]}`, `{"from":0,"total":2,"sessions":[{"state":"dead","id":100},{"id": 101 }]}`},
		{"batch.list", `{"from":0,"total":0,"sessions":[]}`, `{"from":0,"total":0,"sessions":[]}`},
		{"session.log", `{"id":1,"from":0,"total":1,"log":["\"id\":7"]}`, `{"id":101,"from":0,"total":1,"log":["\"id\":7"]}`},
		{"batch.state", `{"id":1,"state":"idle"}`, `{"id":101,"state":"idle"}`},
		{"session.statement.get", `{"id":1}`, `{"id":1}`},
		{"session.delete", `{"msg":"deleted"}`, `{"msg":"deleted"}`},
	} {
		r, ok := livy.RouteByName(c.route)
		if !ok {
			t.Fatal(c.route)
		}
		got, err := livy.ShiftIDs(r, []byte(c.in), 100)
		if err != nil || string(got) != c.want {
			t.Errorf("%s: got %s, %v, want %s", c.route, got, err, c.want)
		}
		if same, err := livy.ShiftIDs(r, []byte(c.in), 0); err != nil || string(same) != c.in {
			t.Errorf("%s with base 0: %s, %v", c.route, same, err)
		}
	}
	r, _ := livy.RouteByName("session.get")
	for _, bad := range []string{``, `[]`, `{"id":"3"}`, `{"id":3`, `null`, `{"id":1.5}`} {
		if got, err := livy.ShiftIDs(r, []byte(bad), 1); err == nil {
			t.Errorf("%s: got %s", bad, got)
		}
	}
}

func TestStripRequestHeaders(t *testing.T) {
	h := http.Header{}
	for _, name := range []string{"X-HTTP-Method-Override", "x-http-method", "X-Method-Override", "Cookie", "Accept-Encoding", "Content-Encoding", "Authorization", "Proxy-Authorization", "Accept", "Content-Type", "X-Requested-By"} {
		h.Set(name, "x")
	}
	kept := h.Clone()
	livy.StripRequestHeaders(h, false)
	if want := (http.Header{"Accept": {"x"}, "Content-Type": {"x"}}); !maps.EqualFunc(h, want, slices.Equal) {
		t.Errorf("left: %v", h)
	}
	livy.StripRequestHeaders(kept, true)
	if kept.Get("Authorization") != "x" {
		t.Error("Authorization did not stay")
	}
}
