package livyhttp_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/livygateway/livygateway/caddymodule/internal/caddytest"
	"github.com/livygateway/livygateway/caddymodule/internal/core"
	"github.com/livygateway/livygateway/caddymodule/livyhttp"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/tokens"
)

// warmSite is a site whose gateway has a number of warm sessions.
func warmSite(t *testing.T, count int, change ...func(*gateway.Spec)) (*caddytest.Site, *livytest.Server) {
	t.Helper()
	double := livytest.New()
	return warmSiteOf(t, double, count, change...), double
}

// warmSiteOf is warmSite with a given double.
func warmSiteOf(t *testing.T, double *livytest.Server, count int, change ...func(*gateway.Spec)) *caddytest.Site {
	t.Helper()
	s := caddytest.New(t, double)
	s.Respecify(func(spec *gateway.Spec) {
		spec.Warm = []gateway.Warm{{Kind: "pyspark", Count: count, DriverMemory: "2g", Conf: map[string]string{"spark.x": "y"}}}
		for _, c := range change {
			c(spec)
		}
	})
	awaitWarm(s, count)
	return s
}

func warmOf(s *caddytest.Site) []*store.Warm {
	s.T.Helper()
	all, err := core.InForce().Store.Warm(context.Background(), s.Gateway.ID)
	if err != nil {
		s.T.Fatal(err)
	}
	return all
}

// awaitWarm waits until a number of sessions can be handed over.
func awaitWarm(s *caddytest.Site, count int) {
	s.T.Helper()
	s.Await(func() bool {
		idle := 0
		for _, w := range warmOf(s) {
			if w.State == store.WarmIdle {
				idle++
			}
		}
		return idle == count
	})
}

type shownSession struct {
	ID           int64
	Name, State  string
	DriverMemory *string
	Conf         map[string]string
	Log          []string
}

func (s *shownSession) read(t *testing.T, r caddytest.Reply, status int) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.Text), s); err != nil || r.StatusCode != status {
		t.Fatalf("%d %s, want %d", r.StatusCode, r.Text, status)
	}
}

const warmBody = `{"kind":"pyspark","driverMemory":"2048m","conf":{"spark.x":"y","spark.executor.memory":"4g"},"name":"asked"}`

func TestAWarmSessionIsHandedOver(t *testing.T) {
	s, double := warmSite(t, 1)
	if r := s.Do("GET", "/sessions", ""); !strings.Contains(r.Text, `"total":0`) {
		t.Errorf("before: %s", r.Text)
	}
	for _, path := range []string{"/sessions/0", "/sessions/0/state", "/sessions/0/log", "/sessions/" + warmOf(s)[0].ID} {
		if r := s.Do("GET", path, ""); r.StatusCode != 404 {
			t.Errorf("before: GET %s: %d %s", path, r.StatusCode, r.Text)
		}
	}
	if n := len(s.Records(store.RecordFilter{})); n != 0 {
		t.Errorf("%d records before anybody created a session", n)
	}
	id := warmOf(s)[0].ID
	var got shownSession
	r := s.Do("POST", "/sessions", warmBody)
	got.read(t, r, 201)
	if got.ID != 0 || got.State != "idle" || got.Name != "asked" || *got.DriverMemory != "2048m" ||
		got.Conf["spark.x"] != "y" || !strings.HasSuffix(r.Header.Get("Location"), "/sessions/0") || !strings.Contains(got.Log[0], "spark.executor.memory") ||
		!strings.Contains(r.Header.Get(headerIgnored), "spark.executor.memory") {
		t.Errorf("reply %+v, headers %v", got, r.Header)
	}
	for _, path := range []string{"/sessions/0", "/sessions/asked"} {
		var again shownSession
		again.read(t, s.Do("GET", path, ""), 200)
		if again.Name != "asked" || *again.DriverMemory != "2048m" {
			t.Errorf("GET %s: %+v", path, again)
		}
	}
	record := caddytest.RecordOf(s.Records(store.RecordFilter{}), 0)
	if !record.Warm || record.ID != id || record.Name != "asked" || record.LivyName != id || record.TokenID != s.TokenID || record.State != "idle" {
		t.Errorf("record %+v", record)
	}
	if r := s.Do("POST", "/sessions/0/statements", `{"code":"1+1"}`); r.JSON(t).ID != 0 || r.StatusCode != 201 {
		t.Errorf("first statement: %d %s", r.StatusCode, r.Text)
	}
	// Another one is started, and nobody sees it.
	awaitWarm(s, 1)
	if r := s.Do("GET", "/sessions", ""); !strings.Contains(r.Text, `"total":1`) || !strings.Contains(r.Text, `"name":"asked"`) || len(double.Requests("sessions")) != 2 {
		t.Errorf("afterwards: %s, %d sessions", r.Text, len(double.Requests("sessions")))
	}
	// Its name is taken, although Livy does not know it.
	for _, body := range []string{warmBody, `{"kind":"spark","name":"asked"}`} {
		if r := s.Do("POST", "/sessions", body); r.StatusCode != 400 || !strings.Contains(r.Text, "is taken") {
			t.Errorf("the same name again: %d %s", r.StatusCode, r.Text)
		}
	}
	var named shownSession
	named.read(t, s.Do("POST", "/sessions", `{"kind":"pyspark","conf":{"spark.x":"y","spark.app.name":"mine","spark.driver.memory":"2g"}}`), 201)
	if named.State != "idle" || !strings.HasPrefix(named.Name, "mine-") || named.DriverMemory != nil || named.Conf["spark.app.name"] != "mine" ||
		named.Conf["spark.driver.memory"] != "2g" {
		t.Errorf("asked for in conf: %+v", named)
	}
	awaitWarm(s, 1)
	s.Do("DELETE", "/sessions/0", "")
	got.read(t, s.Do("POST", "/sessions", warmBody), 201)
	if got.State != "idle" || got.ID == 0 {
		t.Errorf("the name after the end of the session: %+v", got)
	}
}

func TestOtherShapesAreStartedCold(t *testing.T) {
	s, _ := warmSite(t, 1)
	other := s.NewToken("other", tokens.Settings{Queue: new("root.other")})
	for name, r := range map[string]caddytest.Reply{
		"memory": s.Do("POST", "/sessions", `{"kind":"pyspark","driverMemory":"3g","conf":{"spark.x":"y"}}`),
		"kind":   s.Do("POST", "/sessions", `{"kind":"spark","driverMemory":"2g","conf":{"spark.x":"y"}}`),
		"conf":   s.Do("POST", "/sessions", `{"kind":"pyspark","driverMemory":"2g","conf":{"spark.x":"z"}}`),
		"jars":   s.Do("POST", "/sessions", `{"kind":"pyspark","driverMemory":"2g","conf":{"spark.x":"y"},"jars":["file:/data/a.jar"]}`),
		"trace":  s.Do("POST", "/sessions", `{"kind":"pyspark","driverMemory":"2g","conf":{"spark.x":"y"}}`, "traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"),
		"queue":  s.Do("POST", "/sessions", `{"kind":"pyspark","driverMemory":"2g","conf":{"spark.x":"y"}}`, other),
	} {
		var got shownSession
		if got.read(t, r, 201); got.State != "starting" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if len(warmOf(s)) != 1 {
		t.Errorf("%d warm sessions are left", len(warmOf(s)))
	}
}

// TestAWarmSessionIsGivenOnce lets many creates compete for a few sessions.
func TestAWarmSessionIsGivenOnce(t *testing.T) {
	s, _ := warmSite(t, 2)
	var mu sync.Mutex
	ids := make(map[int64]int)
	idle := 0
	var wg sync.WaitGroup
	for i := range 8 {
		wg.Go(func() {
			r := s.Do("POST", "/sessions", `{"kind":"python","driverMemory":"2g","conf":{"spark.x":"y"}}`, fmt.Sprintf("%s: k%d", headerRepeat, i))
			var got shownSession
			_ = json.Unmarshal([]byte(r.Text), &got)
			mu.Lock()
			defer mu.Unlock()
			ids[got.ID]++
			if got.State == "idle" {
				idle++
			}
			if again := s.Do("POST", "/sessions", `{"kind":"python","driverMemory":"2g","conf":{"spark.x":"y"}}`, fmt.Sprintf("%s: k%d", headerRepeat, i)); again.Text != r.Text {
				t.Errorf("repeated: %s, want %s", again.Text, r.Text)
			}
		})
	}
	wg.Wait()
	if len(ids) != 8 || idle < 2 {
		t.Errorf("ids %v, %d of them idle", ids, idle)
	}
}

func TestWarmSessionsFollowTheSettings(t *testing.T) {
	s, double := warmSite(t, 1, func(spec *gateway.Spec) { spec.Isolated = true })
	limited := s.NewToken("limited", tokens.Settings{MaxSessions: new(1)})
	const body = `{"kind":"pyspark","driverMemory":"2g","conf":{"spark.x":"y"}}`
	var got shownSession
	if got.read(t, s.Do("POST", "/sessions", body, limited), 201); got.State != "idle" {
		t.Errorf("isolated: %+v", got)
	}
	if r := s.Do("GET", fmt.Sprintf("/sessions/%d", got.ID), ""); r.StatusCode != 404 {
		t.Errorf("another token: %d", r.StatusCode)
	}
	awaitWarm(s, 1)
	if r := s.Do("POST", "/sessions", body, limited); r.StatusCode != 429 {
		t.Errorf("limit: %d %s", r.StatusCode, r.Text)
	}
	was := warmOf(s)[0].ID
	s.Respecify(func(spec *gateway.Spec) { spec.PolicyRules = "max spark.driver.memory 1g lower\n" })
	s.Await(func() bool {
		all := warmOf(s)
		return len(all) == 1 && all[0].ID != was && all[0].State == store.WarmIdle
	})
	if got.read(t, s.Do("POST", "/sessions", body), 201); got.State != "idle" || *got.DriverMemory != "1g" {
		t.Errorf("under another policy: %+v", got)
	}
	s.Respecify(func(spec *gateway.Spec) { spec.Warm = nil })
	s.Await(func() bool { return len(warmOf(s)) == 0 && len(double.Requests("sessions")) == 2 })
}

// TestWarmSessionsOfASilentServer: a create does not ask for each of them in turn.
func TestWarmSessionsOfASilentServer(t *testing.T) {
	livyhttp.SetConnectTimeout(t, 200*time.Millisecond)
	double := livytest.New()
	var asked atomic.Int64
	var silent atomic.Bool
	double.Before = func(_ http.ResponseWriter, r *http.Request) bool {
		if !silent.Load() || !strings.HasSuffix(r.URL.Path, "/connect") {
			return false
		}
		asked.Add(1)
		<-r.Context().Done()
		return true
	}
	s := warmSiteOf(t, double, 3)
	silent.Store(true)
	var got shownSession
	got.read(t, s.Do("POST", "/sessions", `{"kind":"pyspark","driverMemory":"2g","conf":{"spark.x":"y"}}`), 201)
	if n := asked.Load(); got.State != "starting" || n != 1 {
		t.Errorf("%+v, after %d questions", got, n)
	}
	g := *s.Gateway
	g.Spec.Warm, g.Status.Warmed = []gateway.Warm{{Kind: "spark", Count: 1}}, true
	if !livyhttp.TriesWarm(&g, &g) {
		t.Error("a create for another server gets no warm session")
	}
	g.Status.UnresponsiveSince = time.Now()
	if livyhttp.TriesWarm(&g, &g) {
		t.Error("a primary server that is known not to answer is asked")
	}
}
