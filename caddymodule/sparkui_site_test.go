package caddymodule

import (
	"fmt"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/doctor"
	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/internal/ports"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/tokens"
)

// TestSparkUIPolicy looks at the headers that guard a site against the pages of a
// driver, whatever the driver says.
func TestSparkUIPolicy(t *testing.T) {
	double := livytest.New()
	double.Manual = true
	s := newSite(t, double)
	current.Load().ui.runtime = hosted{}
	s.do("POST", "/sessions", `{}`)
	rec := recordOf(s.records(store.RecordFilter{}), 0)
	var seen []string
	driver(t, rec.SparkUI, &seen)
	site := "http://" + s.address
	r := s.do("GET", site+rec.SparkUI+"/jobs/", "")
	want := "sandbox allow-scripts allow-same-origin allow-forms allow-downloads" +
		"; default-src " + site + rec.SparkUI + "/ 'unsafe-inline' data:" +
		"; connect-src " + site + rec.SparkUI + "/; form-action " + site + rec.SparkUI + "/" +
		"; frame-src 'none'; frame-ancestors 'none'; worker-src 'none'; object-src 'none'; manifest-src 'none'; base-uri 'none'"
	if got := r.Header.Values("Content-Security-Policy"); len(got) != 1 || got[0] != want {
		t.Errorf("a page's policy is %q, want %q", got, want)
	}
	if got := r.Header.Values("X-Content-Type-Options"); len(got) != 1 || got[0] != "nosniff" {
		t.Errorf("X-Content-Type-Options %q", got)
	}
	const inert = "default-src 'none'; sandbox"
	for what, r := range map[string]reply{
		"a page that is switched off": s.do("GET", site+rec.SparkUI+"/jobs/job/kill/", ""),
		"the UI of nobody":            s.do("GET", site+prefix+"/spark-ui/livy-none/", ""),
		"a redirect":                  s.do("GET", site+rec.SparkUI, ""),
		"a session":                   s.do("GET", "/sessions/0", ""),
		"a session that never was":    s.do("GET", "/sessions/7", ""),
		"a create":                    s.do("POST", "/sessions", "{}"),
		"no gateway":                  s.do("GET", site+"/nowhere", ""),
		"a request without a token":   s.do("GET", "/sessions", "", tokens.Header+": "),
		"Livy's version":              s.do("GET", "/version", ""),
	} {
		if got := r.Header.Values("Content-Security-Policy"); len(got) != 1 || got[0] != inert || r.Header.Get("X-Content-Type-Options") != "nosniff" {
			t.Errorf("%s (%d): %q, %q", what, r.StatusCode, got, r.Header.Get("X-Content-Type-Options"))
		}
	}
}

func TestBrowserOrigin(t *testing.T) {
	s := newSite(t, livytest.New())
	current.Load().ui.runtime = hosted{}
	s.do("POST", "/sessions", `{}`)
	rec := recordOf(s.records(store.RecordFilter{}), 0)
	var seen []string
	driver(t, rec.SparkUI, &seen)
	_, port, _ := net.SplitHostPort(s.address)
	config := strings.Replace(s.config, "http://"+s.address, "http://:"+port, 1)
	for _, tc := range []struct {
		name, options, header, origin string
	}{
		{"plain", "", "Accept: */*", "http://" + s.address},
		{"a header that nobody vouches for", "", "X-Forwarded-Host: evil.test", "http://" + s.address},
		{"a proxy's", "trusted_proxies static 127.0.0.0/8", "X-Forwarded-Host: livy.test", "http://livy.test"},
		{"a host that is none", "trusted_proxies static 127.0.0.0/8", "X-Forwarded-Host: x; script-src *", ""},
		{"an IPv6 address", "trusted_proxies static 127.0.0.0/8", "X-Forwarded-Host: [::1]:8998", ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			s.load(strings.Replace(config, "livy {", "servers {\n"+tc.options+"\n}\nlivy {", 1))
			r := s.do("GET", "http://"+s.address+rec.SparkUI+"/jobs/", "", tc.header)
			want := "; connect-src " + tc.origin + rec.SparkUI + "/;"
			if tc.origin == "" {
				want = "; connect-src 'none';"
			}
			if got := r.Header.Get("Content-Security-Policy"); r.StatusCode != 200 || !strings.Contains(got, want) {
				t.Errorf("%d %q, want %q in it", r.StatusCode, got, want)
			}
		})
	}
}

// TestASiteForSparkUIs moves the Spark UIs to a site of their own, and back.
func TestASiteForSparkUIs(t *testing.T) {
	double := livytest.New()
	double.Manual = true
	s := newSite(t, double)
	core := current.Load()
	core.ui.runtime = hosted{}
	one, ui := ports.SpareAddress(t), ports.SpareAddress(t)
	before := s.config + fmt.Sprintf("http://%s {\nlivy_gateway etl\n}\n", one)
	after := strings.Replace(before, "local_dir /data", "local_dir /data\nspark_ui http://"+ui+"/", 1) +
		fmt.Sprintf("http://%s {\nlog\nlivy_spark_ui\n}\n", ui)
	s.load(before)
	// One session by a host that is the gateway, one by the path of all gateways.
	s.do("POST", "http://"+one+"/sessions", "{}")
	s.do("POST", "/sessions", "{}")
	link := func(id string) (l api.UILink) {
		t.Helper()
		if status, body := s.manage("POST", "records/"+id+"/ui-link", &l); status != 201 {
			t.Fatalf("%d %s", status, body)
		}
		return l
	}
	byHost, byPath := recordOf(s.records(store.RecordFilter{}), 0), recordOf(s.records(store.RecordFilter{}), 1)
	if byHost.SparkUI != "/spark-ui/"+byHost.ID || byPath.SparkUI != prefix+"/spark-ui/"+byPath.ID {
		t.Fatalf("%s, %s", byHost.SparkUI, byPath.SparkUI)
	}
	var seen []string
	driver(t, byHost.SparkUI, &seen)
	driver(t, byPath.SparkUI, &seen)
	none := tokens.Header + ": "
	follow := func(url string) (r reply, cookie string) {
		t.Helper()
		if r = s.do("GET", url, "", none); r.StatusCode != http.StatusFound || len(r.Cookies()) != 1 {
			return r, ""
		}
		c := r.Cookies()[0]
		return s.do("GET", r.Request.URL.Scheme+"://"+r.Request.URL.Host+r.Header.Get("Location")+"jobs/", "", none, "Cookie: "+c.Name+"="+c.Value), "Cookie: " + c.Name + "=" + c.Value
	}
	oldLink := link(byPath.ID)
	if oldLink.URL != "" {
		t.Errorf("a link without a site for Spark UIs has the URL %q", oldLink.URL)
	}
	gateways, uis := "http://"+s.address, "http://"+ui
	r, oldCookie := follow(gateways + oldLink.Path)
	if r.StatusCode != 200 || r.body != "page /jobs/" {
		t.Fatalf("before: %d %s", r.StatusCode, r.body)
	}

	s.load(after)
	s.do("POST", "http://"+one+"/sessions", "{}")
	fresh := recordOf(s.records(store.RecordFilter{}), 2)
	path := func(rec *store.Record) string {
		return "/api/v1/workspace/default/livycompute/" + s.gateway.ID + "/spark-ui/" + rec.ID
	}
	if fresh.SparkUI != path(fresh) {
		t.Errorf("a session made after the change has its UI at %s, want %s", fresh.SparkUI, path(fresh))
	}
	driver(t, fresh.SparkUI, &seen)
	var shown store.Record
	if status, _ := s.manage("GET", "records/"+byHost.ID, &shown); status != 200 || shown.SparkUI != uis+path(byHost) {
		t.Errorf("the API shows the UI at %s", shown.SparkUI)
	}
	var list api.RecordList
	if s.manage("GET", "records", &list); len(list.Records) != 3 || !strings.HasPrefix(list.Records[0].SparkUI, uis) {
		t.Errorf("the API lists %+v", list)
	}
	var newCookie string
	for what, rec := range map[string]*store.Record{"by host": byHost, "by path": byPath, "fresh": fresh} {
		l := link(rec.ID)
		if l.URL != uis+l.Path || !strings.HasPrefix(l.Path, path(rec)+"/?livy_ui=") {
			t.Fatalf("%s: the link %+v", what, l)
		}
		r, cookie := follow(l.URL)
		if r.StatusCode != 200 || r.body != "page /jobs/" || !strings.Contains(r.Header.Get("Content-Security-Policy"), "connect-src "+uis+path(rec)+"/;") {
			t.Errorf("%s: %d %s %v", what, r.StatusCode, r.body, r.Header)
		}
		if rec == byPath {
			newCookie = cookie
		}
		_, signature, _ := strings.Cut(l.Path, "livy_ui=")
		if log := s.logged(); strings.Contains(log, signature) {
			t.Errorf("%s: the access log has the link's signature", what)
		}
	}
	if r := s.do("GET", uis+path(byHost)+"/links", ""); r.StatusCode != 200 || strings.Contains(r.body, `"/spark-ui/`) || !strings.Contains(r.body, `"`+path(byHost)+`/static/x.css"`) {
		t.Errorf("the links of a page that was made for another site: %d %s", r.StatusCode, r.body)
	}
	for what, c := range map[string]struct {
		url, header string
		status      int
	}{
		"a program with its token":             {uis + path(byPath) + "/jobs/", "Accept: */*", 200},
		"nobody":                               {uis + path(byPath) + "/jobs/", none, 401},
		"the link of before":                   {uis + strings.Replace(oldLink.Path, prefix+"/", "/api/v1/workspace/default/livycompute/etl/", 1), none, 403},
		"the cookie of before":                 {uis + path(byPath) + "/jobs/", oldCookie, 401},
		"the cookie for another record":        {uis + path(fresh) + "/jobs/", newCookie, 401},
		"the gateway's site with the cookie":   {gateways + path(byPath) + "/jobs/", newCookie, 404},
		"the gateway's site with its token":    {gateways + byPath.SparkUI + "/jobs/", "Accept: */*", 404},
		"the host of one gateway":              {"http://" + one + byHost.SparkUI + "/jobs/", "Accept: */*", 404},
		"Livy's API at the site for UIs":       {uis + prefix + "/sessions", "Accept: */*", 404},
		"the root of the site for UIs":         {uis + "/", "Accept: */*", 404},
		"the management API at the site":       {uis + "/v1/gateways", "Accept: */*", 404},
		"a session with the UI's cookie":       {gateways + prefix + "/sessions", newCookie, 401},
		"the UI of a gateway that is not ours": {uis + "/api/v1/workspace/default/livycompute/gw-none/spark-ui/" + fresh.ID + "/", "Accept: */*", 404},
	} {
		headers := []string{c.header}
		if strings.HasPrefix(c.header, "Cookie") {
			headers = append(headers, none)
		}
		r := s.do("GET", c.url, "", headers...)
		if r.StatusCode != c.status || c.status != 200 && r.Header.Get("Content-Security-Policy") != "default-src 'none'; sandbox" {
			t.Errorf("%s: %d %s, want %d", what, r.StatusCode, r.body, c.status)
		}
		if c.status == 404 && strings.Contains(c.url, "/spark-ui/") && strings.HasPrefix(c.url, gateways) && !strings.Contains(r.body, uis) {
			t.Errorf("%s is not told where UIs are: %s", what, r.body)
		}
	}

	s.load(before)
	if current.Load() != core {
		t.Error("the change made a new core")
	}
	if r := s.do("GET", gateways+fresh.SparkUI+"/jobs/", ""); r.StatusCode != 200 {
		t.Errorf("back again: %d %s", r.StatusCode, r.body)
	}
	if r := s.do("GET", gateways+path(byPath)+"/jobs/", "", none, newCookie); r.StatusCode != 401 {
		t.Errorf("back again, with the cookie of the site for UIs: %d", r.StatusCode)
	}
}

func TestSparkUISiteOptions(t *testing.T) {
	for _, tc := range []struct{ options, site, says string }{
		{"spark_ui https://ui.example.com", "livy_spark_ui", ""},
		{"spark_ui https://UI.example.com:443/", "livy_spark_ui {\npublic\n}", ""},
		{"spark_ui http://127.0.0.1:8999", "livy_spark_ui /api/*", ""},
		{"", "livy_spark_ui", "must say where this site is"},
		{"spark_ui ui.example.com", "respond ok", "must be the address of a site"},
		{"spark_ui ftp://ui.example.com", "respond ok", "must be the address of a site"},
		{"spark_ui https://ui.example.com/path", "respond ok", "nothing after the host"},
		{"spark_ui https://ui.example.com?x", "respond ok", "nothing after the host"},
		{"spark_ui https://me@ui.example.com", "respond ok", "no login"},
		{"spark_ui https://[::1]", "respond ok", "IPv4"},
		{"spark_ui https://a;b", "respond ok", "host name"},
		{"spark_ui", "respond ok", "wrong argument count"},
		{"spark_ui https://a https://b", "respond ok", "wrong argument count"},
		{"spark_ui https://a\nspark_ui https://b", "respond ok", "given twice"},
		{"spark_ui https://a", "livy_spark_ui x", "wrong argument count"},
		{"spark_ui https://a", "livy_spark_ui {\nworkspace x\n}", "unknown option"},
	} {
		text := "{\nadmin off\nlivy {\nredis embedded\nruntime static\nengine e {\nurl http://127.0.0.1:1\n}\n" + tc.options + "\n}\n}\n:28099 {\n" + tc.site + "\n}\n"
		config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), nil)
		if err == nil {
			c := new(caddy.Config)
			if err = caddy.StrictUnmarshalJSON(config, c); err == nil {
				err = caddy.Validate(c)
			}
		}
		if tc.says == "" && err != nil || tc.says != "" && (err == nil || !strings.Contains(err.Error(), tc.says)) {
			t.Errorf("%s, %s: %v, want %q", tc.options, tc.site, err, tc.says)
		}
	}
	for text, want := range map[string]string{
		"https://UI.example.com:443/": "https://ui.example.com", "http://a:80": "http://a", "http://a:443": "http://a:443", "https://a:8443": "https://a:8443",
	} {
		if got, err := parseSiteOrigin(text); got != want || err != nil {
			t.Errorf("%s: %q, %v", text, got, err)
		}
	}
}

func TestExamineSparkUIs(t *testing.T) {
	const history = "history_server http://127.0.0.1:18080"
	const separate = history + "\nspark_ui http://ui.test:28101"
	tests := []struct {
		name, livy, sites, check string
		want                     doctor.Status
		says                     string
	}{
		{"no UIs at all", "", "http://a.test:28101 {\nlivy_api\nlivy_gateway\n}", "Spark UIs :28101", "", ""},
		{"gateways alone", history, "http://a.test:28101 {\nlivy_gateway\n}", "Spark UIs :28101", "", ""},
		{"the API beside them", history, "http://a.test:28101 {\nlivy_api\nlivy_gateway\n}", "Spark UIs :28101", doctor.Warn, "livy_api is on the same host"},
		{"the API beside them, by path", history, "http://a.test:28101 {\nhandle /v1/* {\nlivy_api\n}\nhandle {\nlivy_gateway\n}\n}", "Spark UIs :28101", doctor.Warn, "livy_api"},
		{"the API beside them, on all hosts", history, ":28101 {\nlivy_api\nlivy_gateway\n}", "Spark UIs :28101", doctor.Warn, "livy_api"},
		{"the console beside them", history, "http://a.test:28101 {\nlivy_console\nlivy_gateway\n}", "Spark UIs :28101", doctor.Warn, "livy_console is on the same host"},
		{"the API on another host", history, "http://a.test:28101 {\nlivy_gateway\n}\nhttp://b.test:28101 {\nlivy_api\n}", "Spark UIs :28101", "", ""},
		{"a site of their own", separate, "http://a.test:28101 {\nlivy_api\nlivy_gateway\n}\nhttp://ui.test:28101 {\nlivy_spark_ui\n}", "Spark UIs :28101", doctor.OK, ""},
		{"a site that is not their own", separate, "http://ui.test:28101 {\nlivy_spark_ui /api/v1/*\nlivy_api\n}", "Spark UIs :28101", doctor.Warn, "livy_api"},
		{"gateways on their site", separate, "http://ui.test:28101 {\n@ui path */spark-ui/*\nlivy_spark_ui @ui\nlivy_gateway\n}", "Spark UIs :28101", doctor.Warn, "livy_gateway"},
		{"no site for links", separate, "http://a.test:28101 {\nlivy_gateway\n}", "site of Spark UIs", doctor.Warn, "lead nowhere"},
		{"a site of another name", separate, "http://a.test:28101 {\nlivy_spark_ui\n}", "site of Spark UIs", doctor.Warn, "lead nowhere"},
		{"another port only", separate, "http://ui.test:28102 {\nlivy_gateway\n}\nhttp://ui.test:28101 {\nlivy_spark_ui\n}", "site of Spark UIs", doctor.Warn, "all of its ports"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			report := examined(t, "", "", tt.sites, tt.livy)
			if got := statuses(report)[tt.check]; got != tt.want {
				t.Errorf("%s: %q, want %q, in %+v", tt.check, got, tt.want, report.Results)
			}
			if text := fmt.Sprintf("%+v", report.Results); !strings.Contains(text, tt.says) {
				t.Errorf("it does not say %q: %s", tt.says, text)
			}
		})
	}
}
