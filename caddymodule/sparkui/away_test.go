package sparkui_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/caddymodule/internal/caddytest"
	"github.com/livygateway/livygateway/caddymodule/internal/core"
	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/internal/store"
)

// history is a Spark history server with two applications, of which only the second is that of
// base. It records the other requests that it gets.
func history(t *testing.T, base *string, seen *[]string) string {
	t.Helper()
	const list = `[{"id":"local-1","name":"x","attempts":[{"startTimeEpoch":1}]},
		{"id":"application_1_2","name":"y","attempts":[{"attemptId":"2","startTimeEpoch":3},{"attemptId":"1","startTimeEpoch":2}]}]`
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/api/v1/applications":
			if r.URL.Query().Get("minDate") == "" || !strings.HasSuffix(r.URL.Query().Get("maxDate"), "GMT") {
				t.Errorf("all applications ever were asked for: %s", r.URL)
			}
			fmt.Fprint(w, list)
		case "/api/v1/applications/local-1/environment":
			fmt.Fprint(w, `{"sparkProperties":[["spark.ui.proxyBase","/x/spark-ui/livy-somebody-else"]]}`)
		case "/api/v1/applications/application_1_2/2/environment":
			fmt.Fprintf(w, `{"sparkProperties":[["spark.ui.proxyBase",%q]]}`, *base)
		case "/history/application_1_2":
			http.Redirect(w, r, "http://"+r.Host+"/history/application_1_2/2/jobs/", http.StatusFound)
		default:
			*seen = append(*seen, r.URL.Path)
			fmt.Fprint(w, "page ", r.URL, " below ", r.Header.Get("X-Forwarded-Context"))
		}
	}))
	t.Cleanup(srv.Close)
	return srv.URL
}

func TestSparkUIOfWhatHasFinished(t *testing.T) {
	s := caddytest.New(t, livytest.New())
	var base string
	var seen []string
	at := history(t, &base, &seen)
	s.Load(strings.Replace(s.Config, "local_dir /data", "local_dir /data\nhistory_server "+at+" {\nevent_logs hdfs:///events\n}", 1))
	s.Do("POST", "/batches", `{"file":"hdfs:///job.py","conf":{"spark.eventLog.dir":"hdfs:///mine"}}`)
	s.Do("POST", "/batches", `{"file":"hdfs:///job.py"}`)
	s.Do("DELETE", "/batches/0", "")
	s.Do("DELETE", "/batches/1", "")
	records := s.Records(store.RecordFilter{})
	rec, other := caddytest.RecordOf(records, 0), caddytest.RecordOf(records, 1)
	if rec.Live() || rec.SparkUI != caddytest.Prefix+gateway.SparkUIPath+rec.ID {
		t.Fatalf("%+v", rec)
	}
	base = rec.SparkUI
	site := "http://" + s.Address
	if r := s.Do("GET", site+base+"/", ""); r.StatusCode != 302 || r.Header.Get("Location") != base+"/history/application_1_2/2/jobs/" {
		t.Fatalf("the first page: %d %s %v", r.StatusCode, r.Text, r.Header)
	}
	if r := s.Do("GET", site+base+"/history/application_1_2", ""); r.StatusCode != 302 || r.Header.Get("Location") != base+"/history/application_1_2/2/jobs/" {
		t.Errorf("the history server's way: %d %v", r.StatusCode, r.Header)
	}
	if r := s.Do("GET", site+base+"/history/application_1_2/2/jobs/?id=1", "", "X-Forwarded-Context: /evil"); r.Text != "page /history/application_1_2/2/jobs/?id=1 below "+base {
		t.Errorf("a page: %d %s", r.StatusCode, r.Text)
	}
	for _, page := range []string{"/static/webui.css", "/api/v1/applications/application_1_2/2/jobs"} {
		if r := s.Do("GET", site+base+page, ""); r.StatusCode != 200 {
			t.Errorf("%s: %d %s", page, r.StatusCode, r.Text)
		}
	}
	before := len(seen)
	for _, page := range []string{
		"/home", "/api/v1/applications", "/api/v1/applications/local-1/jobs", "/history/local-1/jobs/", "/history/application_1_23/", "/history%2Flocal-1/jobs/",
		"/history/application_1_2/2/executors/threadDump/", "/history/application_1_2/../local-1/jobs/", "/static/../home", "/static",
	} {
		if r := s.Do("GET", site+base+page, ""); r.StatusCode != 404 && r.StatusCode != 400 {
			t.Errorf("%s: %d %s", page, r.StatusCode, r.Text)
		}
	}
	if r := s.Do("GET", site+other.SparkUI+"/", ""); r.StatusCode != 503 || !strings.Contains(r.Text, "just ended") {
		t.Errorf("what the history server does not show: %d %s", r.StatusCode, r.Text)
	}
	if len(seen) != before {
		t.Errorf("the history server was asked for %q", seen[before:])
	}
	if r, err := core.InForce().Store.RecordByID(t.Context(), s.Gateway.ID, rec.ID); err != nil || r.AppID != "application_1_2" {
		t.Errorf("the application's id was not noted: %+v, %v", r, err)
	}
	var link api.UILink
	if status, body := s.Manage("POST", "records/"+rec.ID+"/ui-link", &link); status != 201 || !strings.HasPrefix(link.Path, base+"/?") {
		t.Errorf("a link: %d %s", status, body)
	}
}

func TestEventsAreForTheHistoryServer(t *testing.T) {
	double := livytest.New()
	s := caddytest.New(t, double)
	s.Load(strings.Replace(s.Config, "local_dir /data", "local_dir /data\nhistory_server http://127.0.0.1:1 {\nevent_logs hdfs:///events\n}", 1))
	s.Do("POST", "/sessions", `{"conf":{"spark.eventLog.dir":"hdfs:///mine","spark.eventLog.enabled":"false"}}`)
	conf := string(double.Requests("sessions")[0]["conf"])
	for _, want := range []string{`"spark.eventLog.dir":"hdfs:///events"`, `"spark.eventLog.enabled":"true"`} {
		if !strings.Contains(conf, want) {
			t.Errorf("Livy got %s, want %s in it", conf, want)
		}
	}
}

// TestSparkUIOnYarn finds applications at the cluster's proxy if its ResourceManager has tagged
// them with the gateway.
func TestSparkUIOnYarn(t *testing.T) {
	s := caddytest.New(t, livytest.New())
	reports := map[string]string{}
	rm := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if report, ok := reports[strings.TrimPrefix(r.URL.Path, "/ws/v1/cluster/apps/")]; ok {
			fmt.Fprint(w, report)
			return
		}
		if !strings.HasPrefix(r.URL.Path, "/proxy/application_1_1/") {
			w.WriteHeader(http.StatusNotFound)
			fmt.Fprint(w, "{}")
			return
		}
		if strings.HasSuffix(r.URL.Path, "/proxy/application_1_1/") {
			http.Redirect(w, r, "http://"+r.Host+"/proxy/application_1_1/jobs/?x=1", http.StatusFound)
			return
		}
		if strings.HasSuffix(r.URL.Path, "/ended/") {
			http.Redirect(w, r, "http://"+r.Host+"/cluster/app/application_1_1", http.StatusFound)
			return
		}
		w.Header().Set("Content-Type", "text/html;charset=utf-8")
		fmt.Fprint(w, `<a href="/proxy/application_1_1/stages/">setUIRoot('/proxy/application_1_1')</a> http://rm/proxy/application_1_1`)
	}))
	t.Cleanup(rm.Close)
	confDir := t.TempDir()
	conf := `<configuration><property><name>yarn.resourcemanager.webapp.address</name><value>` + strings.TrimPrefix(rm.URL, "http://") + `</value></property></configuration>`
	if err := os.WriteFile(filepath.Join(confDir, "yarn-site.xml"), []byte(conf), 0o600); err != nil {
		t.Fatal(err)
	}
	s.Load(strings.Replace(s.Config, "local_dir /data", "local_dir /data\ncluster lake {\nmaster yarn\nconf_dir "+confDir+"\n}", 1))
	// Runtime static has no clusters. This is the status of a gateway that was started with one.
	g, err := core.InForce().Store.Gateway(t.Context(), s.Gateway.ID)
	if err != nil {
		t.Fatal(err)
	}
	g.Spec.Cluster, g.Status.StartedWith = "lake", nil
	if err := core.InForce().Store.SaveGateway(t.Context(), g, store.Write{}); err != nil {
		t.Fatal(err)
	}
	s.Await(func() bool {
		e, err := core.InForce().Manager.Lookup("default", "etl")
		return err == nil && e.Gateway.InForce().Cluster == "lake"
	})
	s.Do("POST", "/sessions", `{}`)
	rec := caddytest.RecordOf(s.Records(store.RecordFilter{}), 0)
	report := func(tags, state string) string {
		return `{"app":{"id":"application_1_1","state":"` + state + `","applicationTags":"x,` + tags + `"}}`
	}
	mine := strings.ToLower("livygateway.gateway:" + s.Gateway.ID)
	base := rec.SparkUI
	look := func(method, page string) caddytest.Reply {
		return s.Do(method, "http://"+s.Address+base+"/"+page, "")
	}
	for _, tt := range []struct {
		name, app, report string
		status            int
	}{
		{"not begun", "", report(mine, "RUNNING"), 503},
		{"waiting", "application_1_1", report(mine, "ACCEPTED"), 503},
		{"another gateway's", "application_1_1", report("livygateway.gateway:lc-2", "RUNNING"), 404},
		{"unknown", "application_1_3", "", 404},
		{"no application", "../../jmx", "", 404},
		{"running", "application_1_1", report(mine, "RUNNING"), 200},
	} {
		t.Run(tt.name, func(t *testing.T) {
			reports["application_1_1"] = tt.report
			r, err := core.InForce().Store.RecordByID(t.Context(), s.Gateway.ID, rec.ID)
			if err != nil {
				t.Fatal(err)
			}
			r.AppID = tt.app
			if err := core.InForce().Store.SaveRecords(t.Context(), store.Fence{}, s.Gateway.ID, r); err != nil {
				t.Fatal(err)
			}
			if r := look("GET", "jobs/"); r.StatusCode != tt.status {
				t.Errorf("%d %s", r.StatusCode, r.Text)
			}
		})
	}
	if r := look("GET", ""); r.Header.Get("Location") != base+"/jobs/?x=1" {
		t.Errorf("the first page: %d %v", r.StatusCode, r.Header)
	}
	if r := look("GET", "ended/"); r.StatusCode != http.StatusServiceUnavailable || r.Header.Get("Location") != "" {
		t.Errorf("what the proxy leads away from: %d %v", r.StatusCode, r.Header)
	}
	want := `<a href="` + base + `/stages/">setUIRoot('` + base + `')</a> http://rm/proxy/application_1_1`
	if r := look("GET", "jobs/"); r.Text != want || r.ContentLength != int64(len(want)) {
		t.Errorf("a page: %d %s", r.StatusCode, r.Text)
	}
	if r := look("HEAD", "jobs/"); r.StatusCode != 200 || r.ContentLength != int64(len(want)) || r.Text != "" {
		t.Errorf("HEAD of a page: %d, %d bytes, want those of the page, %d", r.StatusCode, r.ContentLength, len(want))
	}
}
