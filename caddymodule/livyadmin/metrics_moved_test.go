package livyadmin_test

import (
	"bufio"
	"context"
	"fmt"
	"net/http"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/caddymodule/internal/caddytest"
	"github.com/livygateway/livygateway/caddymodule/internal/core"
	"github.com/livygateway/livygateway/internal/control"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/upstream"
	"github.com/livygateway/livygateway/upstream/static"
	"github.com/livygateway/livygateway/upstream/upstreamtest"
)

// scraped is a site whose metrics are read.
type scraped struct{ *caddytest.Site }

// withMetrics adds an endpoint for the metrics to the configuration.
func withMetrics(config string) string {
	return strings.Replace(config, "livy_gateway\n", "livy_gateway /api/*\n\tmetrics /metrics\n", 1)
}

func (s scraped) scrape() string {
	s.T.Helper()
	return s.Do("GET", "http://"+s.Address+"/metrics", "", "Accept: text/plain").Text
}

// value returns the value of a sample, 0 if there is none. Labels are in the order of their names.
func (s scraped) value(sample string) float64 {
	s.T.Helper()
	for lines := bufio.NewScanner(strings.NewReader(s.scrape())); lines.Scan(); {
		if text, ok := strings.CutPrefix(lines.Text(), sample+" "); ok {
			n, err := strconv.ParseFloat(text, 64)
			if err != nil {
				s.T.Fatal(err)
			}
			return n
		}
	}
	return 0
}

// rises waits until a sample is above a value.
func (s scraped) rises(sample string, above float64) {
	s.T.Helper()
	var now float64
	for range 1500 {
		if now = s.value(sample); now > above {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	s.T.Errorf("%s is %v, not above %v", sample, now, above)
}

// moves checks that samples rise by what happens.
func (s scraped) moves(what string, happens func(), samples ...string) {
	s.T.Helper()
	before := make([]float64, len(samples))
	for i, sample := range samples {
		before[i] = s.value(sample)
	}
	happens()
	for i, sample := range samples {
		s.rises(sample, before[i])
		if s.T.Failed() {
			s.T.Fatalf("%s does not move %s", what, sample)
		}
	}
}

// measuredElsewhere are the metrics of TestServersAreMeasured.
var measuredElsewhere = []string{
	"server_cpu_seconds_total", "server_cpu_limit_cores", "server_memory_bytes", "server_memory_limit_bytes",
}

func TestMetricsMove(t *testing.T) {
	double := livytest.New()
	var away atomic.Bool // the double does not answer
	double.Before = func(w http.ResponseWriter, r *http.Request) bool {
		if away.Load() || strings.HasSuffix(r.URL.Path, "/sessions/0/log") {
			w.WriteHeader(http.StatusInternalServerError)
			return true
		}
		return false
	}
	s := scraped{caddytest.New(t, double)}
	s.Config = strings.Replace(withMetrics(s.Config), "local_dir /data",
		"local_dir /data\n\t\tunresponsive_after 1s\n\t\tengine dead {\n\t\t\turl http://127.0.0.1:1\n\t\t}", 1)
	s.Load(s.Config)
	ctx, m := t.Context(), core.InForce().Manager
	var named []string
	moves := func(what string, happens func(), samples ...string) {
		t.Helper()
		named = append(named, samples...)
		for i, sample := range samples {
			samples[i] = "caddy_livy_" + strings.ReplaceAll(sample, "GW", `gateway="default/etl"`)
		}
		s.moves(what, happens, samples...)
	}
	expect := func(status int, method, path, body string, headers ...string) {
		t.Helper()
		if r := s.Do(method, path, body, headers...); r.StatusCode != status {
			t.Fatalf("%s %s: %d %s", method, path, r.StatusCode, r.Text)
		}
	}
	session := `{"kind":"pyspark","executorMemory":"3g"}` // the executors' memory is blacklisted

	moves("a create", func() { expect(201, "POST", "/sessions", session) },
		`creates_total{decision="sent",GW,kind="session"}`,
		`policy_total{action="ignored",GW}`, `policy_rules_total{action="ignored",GW,rule="spark-blacklist.conf:1"}`,
		`requests_total{GW,outcome="ok",route="session.create"}`,
		`request_own_seconds_count{class="create",GW}`, `request_livy_seconds_sum{class="create",GW}`,
		`redis_seconds_count`, `live{GW,kind="session",state="idle"}`,
		`create_ready_seconds_count{GW,kind="session",start="cold"}`, `vcores_in_use{GW}`, `memory_in_use_bytes{GW}`)
	moves("reads", func() { expect(200, "GET", "/sessions/0/state", ""); expect(200, "GET", "/sessions/0/state", "") },
		`requests_total{GW,outcome="ok",route="session.state"}`, `request_livy_seconds_count{class="read",GW}`,
		`token_checks_total{result="cache"}`)
	moves("an error of Livy", func() { expect(500, "GET", "/sessions/0/log", "") },
		`requests_total{GW,outcome="livy_error",route="session.log"}`)
	moves("a refused create", func() { expect(400, "POST", "/sessions", `{"kind":"nonsense"}`) },
		`creates_total{decision="refused",GW,kind="session"}`, `refusals_total{GW,reason="policy"}`,
		`requests_total{GW,outcome="refused",route="session.create"}`)
	moves("a wrong token", func() { expect(401, "GET", "/sessions", "", "X-Acs-Spark-Livy-Token: lctk-nobody.x") },
		`refusals_total{GW,reason="malformed"}`, `token_checks_total{result="refused"}`)
	moves("no route", func() { expect(404, "GET", "/metrics", "") }, `requests_total{GW,outcome="refused",route="none"}`)
	for _, sample := range []string{
		`tokens{GW,left="longer"}`, `audit_entries`, `gateways{state="Running"}`, `gateway_state{GW,state="Running"}`,
		`leases_held`,
	} {
		named = append(named, sample)
		s.rises("caddy_livy_"+strings.ReplaceAll(sample, "GW", `gateway="default/etl"`), 0)
	}
	if since := s.value(`caddy_livy_gateway_state_since_seconds{gateway="default/etl"}`); time.Since(time.UnixMilli(int64(since*1e3))) > 10*time.Minute {
		t.Errorf("since %v", since)
	}
	named = append(named, "gateway_state_since_seconds", "lease_changes_total") // see package control

	moves("a delete", func() { expect(200, "DELETE", "/sessions/0", "") },
		`ends_total{GW,kind="session",state="killed"}`, `vcore_seconds_total{GW}`, `gb_seconds_total{GW}`)
	moves("Redis that is away", func() {
		expect(201, "POST", "/sessions", session) // the token is remembered for a second
		s.Redis.SetError("LOADING Redis is loading the dataset in memory")
		expect(200, "DELETE", "/sessions/1", "")
	}, `recorder_queue{kind="changes"}`, `redis_errors_total`)
	s.Redis.SetError("")

	moves("another instance", func() {
		other, err := core.New(core.Options{
			Redis:       store.Options{Addrs: []string{s.Redis.Addr()}},
			OpenRuntime: func(log *zap.Logger) (upstream.Runtime, error) { return static.New(log) },
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = other.Destruct() })
		if err := other.Start(); err != nil {
			t.Fatal(err)
		}
	}, `other_instances`)

	moves("a request to a stopped gateway", func() {
		if _, err := m.Update(ctx, s.Gateway, control.UpdateRequest{Patch: []byte(`{"autoStart":{"enabled":true}}`)}); err != nil {
			t.Fatal(err)
		}
		if _, err := m.Stop(ctx, s.Gateway, gateway.By("test")); err != nil {
			t.Fatal(err)
		}
		s.AwaitState("etl", gateway.StateStopped)
		expect(200, "GET", "/version", "")
	}, `wake_wait_seconds_count{GW,outcome="ready"}`, `starts_total{GW,reason="request"}`, `start_seconds_count{GW}`)

	moves("a server that cannot be started", func() {
		_, err := m.Create(ctx, control.CreateRequest{
			Spec: gateway.Spec{Name: "dead", Engine: "dead"}, Start: true, Origin: gateway.Origin{Actor: "test"},
		})
		if err != nil {
			t.Fatal(err)
		}
	}, `failures_total{gateway="default/dead",reason="start"}`, `starts_total{gateway="default/dead",reason="restart"}`)
	dead, err := m.Lookup("default", "dead")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := m.Delete(ctx, dead.Gateway, true, gateway.By("test")); err != nil {
		t.Fatal(err)
	}
	s.scrape() // which forgets the deleted gateway
	if strings.Contains(s.scrape(), "default/dead") {
		t.Error("the metrics of a deleted gateway stay")
	}

	moves("a Livy that does not answer", func() { away.Store(true) }, `gateways_unresponsive`, `gateway_unresponsive{GW}`)
	moves("a request to it", func() { expect(503, "GET", "/sessions", "") },
		`requests_total{GW,outcome="unavailable",route="session.list"}`, `refusals_total{GW,reason="unavailable"}`)

	s.checkNames(named)
	log := s.Logged()
	for _, line := range []string{
		`"msg":"gateway starting"`, `"cause":"woken by a request"`, `"msg":"gateway stopping"`, `"by":"test"`,
		`"msg":"session runs"`, `"msg":"session ended"`, `"reason":"deleted by token ` + s.TokenID + `"`,
	} {
		if !strings.Contains(log, line) {
			t.Errorf("the log has no %s", line)
		}
	}
}

// checkNames checks that all metrics are among the samples that moved, or are measured elsewhere.
func (s scraped) checkNames(samples []string) {
	s.T.Helper()
	moved := make(map[string]bool)
	for _, sample := range slices.Concat(samples, measuredElsewhere, measuredWithBudgets) {
		name, _, _ := strings.Cut(sample, "{")
		moved[strings.TrimSuffix(strings.TrimSuffix(name, "_count"), "_sum")] = true
	}
	for _, m := range core.Metrics() {
		if !moved[strings.TrimPrefix(m.Name, "caddy_livy_")] {
			s.T.Errorf("no test moves %s", m.Name)
		}
	}
}

func TestServersAreMeasured(t *testing.T) {
	livyHome, sparkHome := upstreamtest.FakeHomes(t)
	s := scraped{caddytest.New(t, livytest.New())}
	engine := fmt.Sprintf("engine double {\n\t\t\tlivy_home %s\n\t\t\tspark_home %s\n\t\t\tjava_home %s\n\t\t}",
		livyHome, sparkHome, upstreamtest.FakeJava(t))
	config := regexp.MustCompile(`(?s)engine double \{.*?\}`).ReplaceAllString(withMetrics(s.Config), engine)
	config = strings.Replace(config, "runtime static",
		"runtime process {\n\t\t\tstate_dir "+filepath.Join(t.TempDir(), "state")+"\n\t\t}\n\t\tmetrics {\n\t\t\tserver_usage 1s\n\t\t}", 1)
	config = strings.Replace(config, "local_dir /data", "on_exit stop\n\t\tlocal_dir /data", 1)
	s.Load(config)
	t.Cleanup(func() { // caddytest stops Caddy, but servers outlive a stop that is no exit
		ctx, m := t.Context(), core.InForce().Manager
		_ = m.Runtime.Stop(context.WithoutCancel(ctx), s.Gateway.ID, upstream.AnyEpoch)
	})
	s.AwaitState("etl", gateway.StateRunning)
	// Where no cgroup counts CPU time, it is known in hundredths of a second.
	for range 100 {
		for range 200 {
			s.Do("GET", "/version", "")
		}
		if s.value(`caddy_livy_server_cpu_seconds_total{gateway="default/etl"}`) > 0 {
			break
		}
	}
	for _, name := range measuredElsewhere {
		s.rises("caddy_livy_"+name+`{gateway="default/etl"}`, 0)
	}
	cpu := s.value(`caddy_livy_server_cpu_limit_cores{gateway="default/etl"}`)
	memory := s.value(`caddy_livy_server_memory_limit_bytes{gateway="default/etl"}`)
	spec := core.InForce().Manager.Effective(s.Gateway)
	if cpu != float64(spec.CPU) || memory != float64(spec.MemoryBytes()) {
		t.Errorf("the limits are %v cores and %v bytes", cpu, memory)
	}
}

func TestMetricsWithoutGateways(t *testing.T) {
	s := scraped{caddytest.New(t, livytest.New())}
	s.Load(withMetrics(s.Config))
	s.Do("GET", "/sessions", "")
	if n := s.value(`caddy_livy_requests_total{gateway="default/etl",outcome="ok",route="session.list"}`); n < 1 {
		t.Fatalf("%v requests with the name", n)
	}
	s.Load(strings.Replace(withMetrics(s.Config), "local_dir /data", "local_dir /data\n\t\tmetrics {\n\t\t\twithout_gateways\n\t\t}", 1))
	_, err := core.InForce().Manager.Create(t.Context(), control.CreateRequest{
		Spec: gateway.Spec{Name: "second"}, Start: true, Origin: gateway.Origin{Actor: "test"},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.AwaitState("second", gateway.StateRunning)
	s.Do("GET", "/sessions", "")
	text := s.scrape()
	if strings.Contains(text, "default/") {
		t.Error("the metrics have names of gateways")
	}
	if n := s.value(`caddy_livy_gateway_state{gateway="",state="Running"}`); n != 2 {
		t.Errorf("%v gateways run, want 2", n)
	}
	s.rises(`caddy_livy_requests_total{gateway="",outcome="ok",route="session.list"}`, 0)
	s.Load(withMetrics(s.Config))
	s.Do("GET", "/sessions", "")
	s.rises(`caddy_livy_requests_total{gateway="default/etl",outcome="ok",route="session.list"}`, 0)
}
