package integration

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/require"
	"github.com/livygateway/livygateway/store/storetest"
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
		ui := "http://" + c.all + rec.SparkUI

		page := func(url, cookie string) (int, string) {
			t.Helper()
			req, err := http.NewRequest(http.MethodGet, url, http.NoBody)
			if err != nil {
				t.Fatal(err)
			}
			if cookie == "" {
				req.Header.Set(tokenHeader, cl.token)
			} else {
				req.Header.Set("Cookie", cookie)
			}
			res, err := httpClient.Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer res.Body.Close()
			text, err := io.ReadAll(res.Body)
			if err != nil {
				t.Fatal(err)
			}
			return res.StatusCode, string(text)
		}
		for path, want := range map[string]string{
			"/": "Spark Jobs", "/jobs/": "Spark Jobs", "/stages/": "Stages for All Jobs", "/storage/": "Storage",
			"/environment/": "spark.ui.proxyBase", "/executors/": "Executors", "/static/webui.css": "table", "/api/v1/applications": "attempts",
		} {
			status, text := page(ui+path, "")
			if status != 200 || !strings.Contains(text, want) {
				t.Errorf("%s: %d %.300s", path, status, text)
			}
			if path == "/jobs/" && !strings.Contains(text, `="`+rec.SparkUI+`/static/`) {
				t.Errorf("styles are not linked below the UI's own path: %.600s", text)
			}
		}
		for _, path := range []string{"/executors/threadDump/?executorId=driver", "/jobs/job/kill/?id=0"} {
			if status, _ := page(ui+path, ""); status != 404 {
				t.Errorf("%s: %d, want 404", path, status)
			}
		}

		var link struct{ Path string }
		if err := json.Unmarshal([]byte(c.livy("session", "ui", "--gateway", "etl", rec.ID, "--json")), &link); err != nil {
			t.Fatal(err)
		}
		res, err := (&http.Client{CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}).Get("http://" + c.all + link.Path)
		if err != nil {
			t.Fatal(err)
		}
		_ = res.Body.Close()
		if len(res.Cookies()) != 1 {
			t.Fatalf("the link: %d %v", res.StatusCode, res.Header)
		}
		cookie := res.Cookies()[0]
		if status, text := page(ui+"/stages/", cookie.Name+"="+cookie.Value); status != 200 || !strings.Contains(text, "Stages for All Jobs") {
			t.Errorf("with the cookie: %d %.300s", status, text)
		}

		c.livy("session", "close", "--gateway", "etl", rec.ID)
		if r := cl.do("GET", "/sessions/0", nil); r.status != 404 || !strings.Contains(string(r.body), "deleted by") {
			t.Errorf("the closed session: %d %s", r.status, r.body)
		}
		if status, _ := page(ui+"/jobs/", ""); status != 404 && status != 503 {
			t.Errorf("the UI of a closed session: %d", status)
		}
	})
}
