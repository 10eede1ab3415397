package integration

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/require"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// TestSparkUIOfARealSession looks at the Spark UI of a session through the
// gateway: with the token, and as a browser does that was given a link.
func TestSparkUIOfARealSession(t *testing.T) {
	onEachRuntime(t, func(t *testing.T, l live) {
		require.Need(t, require.Livy080, l.interactive, "this engine runs no interactive sessions")
		c := newCaddy(t, storetest.StartServer(t), l.livyBlock)
		g := c.newGateway("etl")
		cl := client{t: t, base: c.url(g.ID), token: c.newToken("etl").Token}
		var s struct{ ID int64 }
		cl.expect(201, "POST", "/sessions", map[string]any{"kind": "pyspark"}, &s)
		eventually(t, 3*time.Minute, "the session being idle", func() bool {
			var state struct{ State string }
			cl.expect(200, "GET", "/sessions/0/state", nil, &state)
			return state.State == "idle"
		})
		var rec struct{ ID, SparkUI string }
		c.json(&rec, "session", "show", "--gateway", "etl", "session:0", "--json")
		site := client{t, "http://" + c.all, cl.token}
		checkLiveUI(t, site, rec.SparkUI)
		if r := c.withUILink("etl", rec.ID, rec.SparkUI+"/stages/"); r.status != 200 || !strings.Contains(string(r.body), "Stages for All Jobs") {
			t.Errorf("with the cookie of a link: %d %.300s", r.status, r.body)
		}

		// Notebooks show the link of appInfo, which opens without a token.
		var shown struct{ AppInfo struct{ SparkUIURL string } }
		cl.expect(http.StatusOK, "GET", "/sessions/0", nil, &shown)
		once := &http.Client{Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
		if res, err := once.Get(shown.AppInfo.SparkUIURL); err != nil || res.Body.Close() != nil || res.StatusCode != http.StatusFound || len(res.Cookies()) != 1 {
			t.Errorf("sparkUiUrl %q: %v, %v", shown.AppInfo.SparkUIURL, res, err)
		}

		c.livy("session", "close", "--gateway", "etl", rec.ID)
		if r := cl.do("GET", "/sessions/0", nil); r.status != 404 || !strings.Contains(string(r.body), "deleted by") {
			t.Errorf("the closed session: %d %s", r.status, r.body)
		}
		if r := site.do("GET", rec.SparkUI+"/jobs/", nil); r.status != 404 && r.status != 503 {
			t.Errorf("the UI of a closed session: %d", r.status)
		}
	})
}

// checkLiveUI looks at the Spark UI of what lives, with a token: its pages are
// there and linked below the UI's own path; what acts on it, or is behind it, is not.
func checkLiveUI(t *testing.T, site client, ui string) {
	t.Helper()
	for path, want := range map[string]string{
		"/": "Spark Jobs", "/jobs/": "Spark Jobs", "/stages/": "Stages for All Jobs", "/storage/": "Storage",
		"/environment/": "spark.ui.proxyBase", "/executors/": "Executors", "/static/webui.css": "table", "/api/v1/applications": "attempts",
	} {
		r := site.do("GET", ui+path, nil)
		if r.status != http.StatusOK || !strings.Contains(string(r.body), want) {
			t.Errorf("%s: %d %.600s", path, r.status, r.body)
		}
		if path == "/jobs/" && (!strings.Contains(string(r.body), `="`+ui+`/static/`) || !strings.Contains(string(r.body), `="`+ui+`/stages/`)) {
			t.Errorf("styles and pages are not linked below the UI's own path: %.900s", r.body)
		}
	}
	for _, path := range []string{"/executors/threadDump/?executorId=driver", "/jobs/job/kill/?id=0", "/../../cluster", "/..%2f..%2fcluster"} {
		if r := site.do("GET", ui+path, nil); r.status < 400 || r.status >= 500 {
			t.Errorf("%s: %d %.300s", path, r.status, r.body)
		}
	}
}

// withUILink opens a signed link to a record's Spark UI as a browser does, and
// then a page with nothing but the cookie that it was given.
func (c *caddy) withUILink(gatewayName, record, page string) reply {
	c.t.Helper()
	var link struct{ Path string }
	c.json(&link, "session", "ui", "--gateway", gatewayName, record, "--json")
	once := &http.Client{Timeout: time.Minute, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	res, err := once.Get("http://" + c.all + link.Path)
	if err != nil {
		c.t.Fatal(err)
	}
	_ = res.Body.Close()
	if len(res.Cookies()) != 1 {
		c.t.Fatalf("the link: %d %v", res.StatusCode, res.Header)
	}
	cookie := res.Cookies()[0]
	r, err := client{t: c.t, base: "http://" + c.all}.tryWith("GET", page, nil, map[string]string{"Cookie": cookie.Name + "=" + cookie.Value})
	if err != nil {
		c.t.Fatal(err)
	}
	return r
}
