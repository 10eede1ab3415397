package sparkui_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/caddymodule/internal/caddytest"
	"github.com/livygateway/livygateway/caddymodule/internal/core"
	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/tokens"
)

// uiOf returns the links of the first session in a reply.
func uiOf(t *testing.T, r caddytest.Reply) (sparkUI, driverLog string) {
	t.Helper()
	type object struct {
		AppInfo struct{ SparkUIURL, DriverLogURL string }
	}
	var v struct {
		object
		Sessions []object
	}
	if err := json.Unmarshal([]byte(r.Text), &v); err != nil || r.StatusCode > 299 {
		t.Fatalf("%d %s: %v", r.StatusCode, r.Text, err)
	}
	if len(v.Sessions) > 0 {
		v.object = v.Sessions[0]
	}
	return v.AppInfo.SparkUIURL, v.AppInfo.DriverLogURL
}

// TestLinksInReplies: notebooks show the links of appInfo, which a browser opens without a token.
func TestLinksInReplies(t *testing.T) {
	double := livytest.New()
	double.Manual = true
	s := caddytest.New(t, double)
	core.InForce().SparkUI.Runtime = hosted{}
	if ui, _ := uiOf(t, s.Do("POST", "/sessions", `{}`)); ui != "" {
		t.Errorf("a session that starts has the UI %q", ui)
	}
	if ui, _ := uiOf(t, s.Do("GET", "/sessions/0", "")); ui != "" {
		t.Errorf("a session that starts has the UI %q", ui)
	}
	double.SetState("sessions", 0, "idle")
	rec := caddytest.RecordOf(s.Records(store.RecordFilter{}), 0)
	var seen []string
	driver(t, rec.SparkUI, &seen)
	site, none := "http://"+s.Address, tokens.Header+": "
	for _, path := range []string{"/sessions/0", "/sessions"} {
		ui, log := uiOf(t, s.Do("GET", path, ""))
		if !strings.HasPrefix(ui, site+rec.SparkUI+"/?livy_ui=") || log != "" {
			t.Fatalf("%s: %q and %q", path, ui, log)
		}
		r := s.Do("GET", ui, "", none)
		if r.StatusCode != 302 || r.Header.Get("Location") != rec.SparkUI+"/" || len(r.Cookies()) != 1 {
			t.Fatalf("%s: %d %s %v", ui, r.StatusCode, r.Text, r.Header)
		}
		cookie := "Cookie: livy_ui=" + r.Cookies()[0].Value
		if r := s.Do("GET", site+rec.SparkUI+"/jobs/", "", none, cookie); r.StatusCode != 200 {
			t.Errorf("with the cookie: %d %s", r.StatusCode, r.Text)
		}
		// A page below it, and a link that has expired.
		page := strings.Replace(ui, "/?", "/executors/?", 1)
		if r := s.Do("GET", page, "", none); r.StatusCode != 302 || r.Header.Get("Location") != rec.SparkUI+"/executors/" {
			t.Errorf("%s: %d %v", page, r.StatusCode, r.Header)
		}
		old := site + rec.SparkUI + "/executors/?livy_ui=1.x"
		if r := s.Do("GET", old, "", none, cookie); r.StatusCode != 302 || r.Header.Get("Location") != rec.SparkUI+"/executors/" {
			t.Errorf("an old link with a cookie: %d %v", r.StatusCode, r.Header)
		}
		if r := s.Do("GET", old, "", none); r.StatusCode != 403 || !strings.Contains(r.Text, "sparkUiUrl") {
			t.Errorf("an old link: %d %s", r.StatusCode, r.Text)
		}
	}
	forwarded := []string{"X-Forwarded-Host: livy.example.com", "X-Forwarded-Proto: https", "X-Forwarded-Prefix: /lab/"}
	if ui, _ := uiOf(t, s.Do("GET", "/sessions/0", "", forwarded...)); !strings.HasPrefix(ui, site+caddytest.Prefix) {
		t.Errorf("headers of somebody: %q", ui)
	}
	s.Load(strings.Replace(s.Config, "livy {", "servers {\ntrusted_proxies static 127.0.0.0/8\n}\nlivy {", 1))
	want := "https://livy.example.com/lab" + rec.SparkUI + "/?livy_ui="
	if ui, _ := uiOf(t, s.Do("GET", "/sessions/0", "", forwarded...)); !strings.HasPrefix(ui, want) {
		t.Errorf("headers of a trusted proxy: %q, want %q", ui, want)
	}
	double.SetState("sessions", 0, "dead")
	if ui, _ := uiOf(t, s.Do("GET", "/sessions/0", "")); ui != "" {
		t.Errorf("a dead session has the UI %q", ui)
	}
}

// TestPrefixes: what a prefix is stripped from before its handlers is shown with it.
func TestPrefixes(t *testing.T) {
	double := livytest.New()
	double.Manual = true
	s := caddytest.New(t, double)
	core.InForce().SparkUI.Runtime = hosted{}
	before, after, _ := strings.Cut(s.Config, "\tlivy_gateway\n")
	s.Load(before + "\thandle_path /livy/* {\n\t\tlivy_gateway etl\n\t}\n\thandle /lab/* {\n\t\turi strip_prefix /lab\n\t\tlivy_gateway\n\t}\n" + after)
	site := "http://" + s.Address
	for i, prefix := range []string{"/livy", "/lab" + caddytest.Prefix} {
		r := s.Do("POST", site+prefix+"/sessions", `{"kind":"pyspark"}`)
		at := prefix + "/sessions/" + string(rune('0'+i))
		if r.StatusCode != 201 || r.Header.Get("Location") != at {
			t.Fatalf("%s: %d %s, Location %q, want %q", prefix, r.StatusCode, r.Text, r.Header.Get("Location"), at)
		}
		rec := caddytest.RecordOf(s.Records(store.RecordFilter{}), int64(i))
		if want := prefix + "/spark-ui/" + rec.ID; rec.SparkUI != want {
			t.Errorf("the record has %q, want %q", rec.SparkUI, want)
		}
		if conf := string(double.Requests("sessions")[i]["conf"]); !strings.Contains(conf, `"spark.ui.proxyBase":"`+rec.SparkUI+`"`) {
			t.Errorf("Livy got %s", conf)
		}
		double.SetState("sessions", int64(i), "idle")
		ui, _ := uiOf(t, s.Do("GET", site+at, ""))
		if !strings.HasPrefix(ui, site+rec.SparkUI+"/?livy_ui=") {
			t.Errorf("%s: the UI is %q", at, ui)
		}
		if r := s.Do("GET", ui, "", tokens.Header+": "); r.Header.Get("Location") != rec.SparkUI+"/" || r.Cookies()[0].Path != rec.SparkUI {
			t.Errorf("%s: %d %v", ui, r.StatusCode, r.Header)
		}
	}
	// Odd spellings of the prefix lead nowhere else.
	for _, path := range []string{"//livy/sessions", "/%6civy/sessions", "/LIVY/sessions", "/livy//sessions"} {
		r := s.Do("POST", site+path, `{"kind":"pyspark"}`)
		if location := r.Header.Get("Location"); r.StatusCode == 201 && (strings.HasPrefix(location, "//") || !strings.HasPrefix(location, "/")) {
			t.Errorf("%s: %d, Location %q", path, r.StatusCode, location)
		} else {
			t.Log(path, r.StatusCode, location)
		}
	}
}
