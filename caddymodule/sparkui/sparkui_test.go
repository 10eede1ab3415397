package sparkui_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/caddymodule/internal/caddytest"
	"github.com/livygateway/livygateway/caddymodule/internal/core"
	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/tokens"
	"github.com/livygateway/livygateway/upstream"
)

// hosted is a runtime whose drivers run on this machine.
type hosted struct{ upstream.Runtime }

func (hosted) DriverHost(context.Context, string) (string, error) { return "127.0.0.1", nil }

// driver is a Spark driver with a UI, on one of the ports that are searched.
func driver(t *testing.T, base string, seen *[]string) {
	t.Helper()
	mux := http.NewServeMux()
	mux.HandleFunc("/api/v1/applications", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprint(w, `[{"id":"local-1"}]`) })
	mux.HandleFunc("/api/v1/applications/local-1/environment", func(w http.ResponseWriter, _ *http.Request) {
		fmt.Fprintf(w, `{"sparkProperties":[["spark.x","y"],["spark.ui.proxyBase",%q]]}`, base)
	})
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		*seen = append(*seen, fmt.Sprint(r.Method, " ", r.URL, " ", r.Header))
		http.SetCookie(w, &http.Cookie{Name: "driver", Value: "x"})
		w.Header().Set("Service-Worker-Allowed", "/")
		w.Header().Set("Clear-Site-Data", "*")
		w.Header().Set("Access-Control-Allow-Origin", "*")
		w.Header().Set("Content-Security-Policy", "default-src *")
		w.Header().Set("X-Content-Type-Options", "none")
		if r.URL.Path == "/links" {
			w.Header().Set("Content-Type", "text/html")
			fmt.Fprintf(w, `<link href="%s/static/x.css">`, base)
			return
		}
		if r.URL.Path == "/" {
			http.Redirect(w, r, "http://"+r.Host+"/jobs/", http.StatusFound)
			return
		}
		fmt.Fprint(w, "page ", r.URL)
	})
	for port := 4040; port <= 4140; port++ {
		l, err := net.Listen("tcp", fmt.Sprintf("127.0.0.1:%d", port))
		if err != nil {
			continue
		}
		srv := &httptest.Server{Listener: l, Config: &http.Server{Handler: mux, ReadHeaderTimeout: time.Second}}
		srv.Start()
		t.Cleanup(srv.Close)
		return
	}
	t.Fatal("no port is free")
}

func TestSparkUI(t *testing.T) {
	double := livytest.New()
	double.Manual = true
	s := caddytest.New(t, double)
	core.InForce().SparkUI.Runtime = hosted{}
	s.Do("POST", "/sessions", `{"conf":{"spark.ui.killEnabled":"true"}}`)
	s.Do("POST", "/sessions", `{}`)
	records := s.Records(store.RecordFilter{})
	rec, other := caddytest.RecordOf(records, 0), caddytest.RecordOf(records, 1)
	if want := caddytest.Prefix + "/spark-ui/" + rec.ID; rec.SparkUI != want {
		t.Fatalf("link %q, want %q", rec.SparkUI, want)
	}
	conf := string(double.Requests("sessions")[0]["conf"])
	for _, want := range []string{`"spark.ui.proxyBase":"` + rec.SparkUI + `"`, `"spark.ui.killEnabled":"false"`, `"spark.ui.threadDumpsEnabled":"false"`} {
		if !strings.Contains(conf, want) {
			t.Errorf("Livy got %s, want %s in it", conf, want)
		}
	}
	var seen []string
	driver(t, "/x/spark-ui/livy-somebody-else", &seen)
	driver(t, rec.SparkUI, &seen)
	site := "http://" + s.Address
	noRedirect := http.DefaultClient.CheckRedirect
	http.DefaultClient.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	t.Cleanup(func() { http.DefaultClient.CheckRedirect = noRedirect })
	none := tokens.Header + ": "

	if r := s.Do("GET", site+rec.SparkUI+"/jobs/?id=1", ""); r.StatusCode != 200 || r.Text != "page /jobs/?id=1" || r.Header.Get("Set-Cookie") != "" {
		t.Errorf("with the token: %d %s %v", r.StatusCode, r.Text, r.Header)
	}
	for name := range s.Do("GET", site+rec.SparkUI+"/jobs/", "").Header {
		if !slices.Contains([]string{"Cache-Control", "Content-Length", "Content-Security-Policy", "Content-Type", "Date", "Server", "Via", "X-Content-Type-Options"}, name) {
			t.Errorf("a driver's page has the header %s", name)
		}
	}
	if r := s.Do("GET", site+rec.SparkUI+"/", ""); r.StatusCode != 302 || r.Header.Get("Location") != rec.SparkUI+"/jobs/" {
		t.Errorf("the first page: %d %v", r.StatusCode, r.Header)
	}
	if r := s.Do("GET", site+rec.SparkUI, ""); r.StatusCode != 302 || r.Header.Get("Location") != rec.SparkUI+"/" {
		t.Errorf("without a slash: %d %v", r.StatusCode, r.Header)
	}
	for _, line := range seen {
		if strings.Contains(line, s.Token) {
			t.Error("the driver got the token")
		}
	}
	before := len(seen)
	for _, page := range []string{
		"/executors/threadDump/?executorId=driver", "/jobs/job/kill/?id=0", "/stages/stage/kill", "/executors/heapHistogram",
		"/api/v1/applications/local-1/executors/driver/threads", "/jobs/../executors/threadDump/", "/%74hreaddump", "/executors%2FthreadDump", "/a//b", "/jobs;x",
	} {
		if r := s.Do("GET", site+rec.SparkUI+page, ""); r.StatusCode != 404 && r.StatusCode != 400 {
			t.Errorf("%s: %d %s", page, r.StatusCode, r.Text)
		}
	}
	if r := s.Do("POST", site+rec.SparkUI+"/jobs/", ""); r.StatusCode != 405 {
		t.Errorf("POST: %d", r.StatusCode)
	}
	if r := s.Do("GET", site+rec.SparkUI+"/jobs/", "", none); r.StatusCode != 401 ||
		r.Header.Get("WWW-Authenticate") != `Bearer realm="livy"` || len(r.Header.Values("WWW-Authenticate")) != 1 {
		t.Errorf("without a token: %d", r.StatusCode)
	}
	if r := s.Do("GET", site+other.SparkUI+"/jobs/", ""); r.StatusCode != 503 {
		t.Errorf("a session whose driver is not there: %d %s", r.StatusCode, r.Text)
	}
	if r := s.Do("GET", site+caddytest.Prefix+"/spark-ui/livy-none/jobs/", ""); r.StatusCode != 404 {
		t.Errorf("no such record: %d", r.StatusCode)
	}
	if len(seen) != before {
		t.Errorf("the driver was reached: %v", seen[before:])
	}

	// A browser opens a link and continues with the cookie, on this path only.
	var link api.UILink
	if status, body := s.Manage("POST", "records/"+rec.ID+"/ui-link", &link); status != 201 {
		t.Fatalf("%d %s", status, body)
	}
	r := s.Do("GET", site+link.Path, "", none)
	cookies := r.Cookies()
	if r.StatusCode != 302 || r.Header.Get("Location") != rec.SparkUI+"/" || len(cookies) != 1 || cookies[0].Path != rec.SparkUI || !cookies[0].HttpOnly {
		t.Fatalf("the link: %d %v", r.StatusCode, r.Header)
	}
	cookie := "Cookie: " + cookies[0].Name + "=" + cookies[0].Value
	if r := s.Do("GET", site+rec.SparkUI+"/stages/", "", none, cookie); r.StatusCode != 200 {
		t.Errorf("with the cookie: %d %s", r.StatusCode, r.Text)
	}
	for what, r := range map[string]caddytest.Reply{
		"the cookie elsewhere": s.Do("GET", site+other.SparkUI+"/jobs/", "", none, cookie),
		"the cookie as link":   s.Do("GET", site+rec.SparkUI+"/?livy_ui="+cookies[0].Value, "", none),
		"the link elsewhere":   s.Do("GET", site+strings.ReplaceAll(link.Path, rec.ID, other.ID), "", none),
		"the cookie for Livy":  s.Do("GET", "/sessions", "", none, cookie),
	} {
		if r.StatusCode != 401 && r.StatusCode != 403 {
			t.Errorf("%s: %d %s", what, r.StatusCode, r.Text)
		}
	}
	if strings.Contains(strings.Join(seen, " "), cookies[0].Value) {
		t.Error("the driver got the cookie")
	}

	_, signature, _ := strings.Cut(link.Path, "livy_ui=")
	if log := s.Logged(); strings.Contains(log, signature) || !strings.Contains(log, "livy_ui=REDACTED") {
		t.Error("the access log has the link's signature")
	}

	s.Do("DELETE", "/sessions/0", "")
	if status, _ := s.Manage("POST", "records/"+rec.ID+"/ui-link", nil); status != 409 {
		t.Errorf("a link to what has ended: %d", status)
	}
}

func TestUISignaturesEnd(t *testing.T) {
	caddytest.New(t, livytest.New())
	l := core.InForce().Ledger
	ctx := context.Background()
	for life, want := range map[time.Duration]bool{time.Minute: true, -time.Minute: false} {
		sig, err := l.SignUI(ctx, "link", "livy-1", life)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			use, id, sig string
			want         bool
		}{
			{"link", "livy-1", sig, want},
			{"cookie", "livy-1", sig, false},
			{"link", "livy-2", sig, false},
			{"link", "livy-1", sig + "x", false},
			{"link", "livy-1", "9" + sig, false},
			{"link", "livy-1", "", false},
		} {
			if ok, err := l.CheckUI(ctx, c.use, c.id, c.sig); ok != c.want || err != nil {
				t.Errorf("%+v: %v, %v", c, ok, err)
			}
		}
	}
}
