package livyadmin_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/livygateway/livygateway/caddymodule/internal/caddytest"
	"github.com/livygateway/livygateway/internal/eventually"
	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/internal/ports"
	"github.com/livygateway/livygateway/internal/require"
)

// prometheus is a Prometheus that scrapes a site every second.
type prometheus struct {
	t       *testing.T
	address string
}

func startPrometheus(t *testing.T, target string) prometheus {
	t.Helper()
	program, err := exec.LookPath("prometheus")
	require.Need(t, require.Prometheus, err == nil, "prometheus is not installed (Debian's package prometheus)")
	dir, p := t.TempDir(), prometheus{t, ports.SpareAddress(t)}
	var rules []string
	for _, name := range []string{"recording.yaml", "alerts.yaml"} {
		text, err := os.ReadFile(filepath.Join("..", "..", "docs", "monitoring", "prometheus", name))
		if err != nil {
			t.Fatal(err)
		}
		path := filepath.Join(dir, name)
		// Alerts fire at once.
		if err := os.WriteFile(path, []byte(strings.ReplaceAll(string(text), "for: 1m", "for: 0m")), 0o600); err != nil {
			t.Fatal(err)
		}
		rules = append(rules, path)
	}
	config := fmt.Sprintf(`
global: {scrape_interval: 1s, evaluation_interval: 1s}
rule_files: [%s]
scrape_configs:
  - job_name: livygateway
    static_configs: [{targets: ["%s"]}]
`, strings.Join(rules, ", "), target)
	file := filepath.Join(dir, "prometheus.yaml")
	if err := os.WriteFile(file, []byte(config), 0o600); err != nil {
		t.Fatal(err)
	}
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = log.Close() })
	cmd := exec.Command(program, "--config.file="+file, "--storage.tsdb.path="+filepath.Join(dir, "data"), "--web.listen-address="+p.address)
	cmd.Stdout, cmd.Stderr = log, log
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		if t.Failed() {
			text, _ := os.ReadFile(log.Name())
			t.Logf("the log of Prometheus:\n%s", text)
		}
	})
	eventually.True(t, 30*time.Second, "Prometheus is ready", func() bool {
		resp, err := http.Get("http://" + p.address + "/-/ready")
		if err != nil {
			return false
		}
		_ = resp.Body.Close()
		return resp.StatusCode == http.StatusOK
	})
	return p
}

// query returns the number of series that an expression has now.
func (p prometheus) query(expr string) int {
	p.t.Helper()
	resp, err := http.Get("http://" + p.address + "/api/v1/query?query=" + url.QueryEscape(expr))
	if err != nil {
		p.t.Fatal(err)
	}
	defer resp.Body.Close()
	var reply struct {
		Status, Error string
		Data          struct{ Result []json.RawMessage }
	}
	if err := json.NewDecoder(resp.Body).Decode(&reply); err != nil || reply.Status != "success" {
		p.t.Errorf("%s: %s %v", expr, reply.Error, err)
	}
	return len(reply.Data.Result)
}

// metricIn finds the metrics in an expression.
var metricIn = regexp.MustCompile(`caddy_livy_[a-z_]+`)

// expressions returns the expressions of all dashboards.
func expressions(t *testing.T) (all []string) {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join("..", "..", "docs", "monitoring", "grafana", "*.json"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no dashboards: %v", err)
	}
	for _, path := range paths {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		var board struct {
			Panels []struct{ Targets []struct{ Expr string } }
		}
		if err := json.Unmarshal(text, &board); err != nil {
			t.Fatal(err)
		}
		for _, panel := range board.Panels {
			for _, target := range panel.Targets {
				all = append(all, target.Expr)
			}
		}
	}
	return all
}

// TestPrometheusReadsTheMetrics lets a Prometheus scrape a gateway, asks it every expression of
// the dashboards, and makes an alert fire.
func TestPrometheusReadsTheMetrics(t *testing.T) {
	double := livytest.New()
	var away atomic.Bool
	double.Before = func(w http.ResponseWriter, _ *http.Request) bool {
		if away.Load() {
			w.WriteHeader(http.StatusInternalServerError)
		}
		return away.Load()
	}
	s := scraped{caddytest.New(t, double)}
	s.Config = strings.Replace(withMetrics(s.Config), "local_dir /data", "local_dir /data\n\t\tunresponsive_after 1s", 1)
	s.Load(s.Config)
	p := startPrometheus(t, s.Address)
	eventually.True(t, 30*time.Second, "Prometheus scrapes", func() bool { return p.query("up == 1") == 1 })
	for i := range 4 {
		s.Do("POST", "/sessions", `{"kind":"pyspark"}`)
		s.Do("POST", "/sessions", `{"kind":"nonsense"}`)
		s.Do("GET", fmt.Sprintf("/sessions/%d/state", i), "")
		s.Do("GET", "/nothing", "")
		s.Do("GET", "/sessions", "", "X-Acs-Spark-Livy-Token: lctk-nobody.x")
		time.Sleep(time.Second) // rates need two scrapes
	}
	eventually.True(t, 30*time.Second, "requests are recorded by rule", func() bool {
		return p.query(`livygw:requests:rate5m{gateway="default/etl", outcome="ok"} > 0`) == 1
	})
	// What did not happen here has no series: servers that are measured, restarts, ended sessions.
	scrape, answered := s.scrape(), 0
	all := expressions(t)
	for _, expr := range all {
		happened := true
		for _, name := range metricIn.FindAllString(expr, -1) {
			happened = happened && strings.Contains(scrape, "\n"+name)
		}
		shown := strings.NewReplacer("$__rate_interval", "1m", "$gateway", "default/etl").Replace(expr)
		switch n := p.query(shown); {
		case n > 0:
			answered++
		case happened && !strings.Contains(expr, `reason="request"`):
			t.Errorf("no series: %s", shown)
		}
	}
	t.Logf("%d of %d expressions have series", answered, len(all))
	if n := p.query(`ALERTS{alertname="LivyGatewayUnresponsive"}`); n != 0 {
		t.Errorf("%d alerts fire without a reason", n)
	}
	away.Store(true)
	eventually.True(t, 60*time.Second, "the alert fires", func() bool {
		return p.query(`ALERTS{alertname="LivyGatewayUnresponsive", alertstate="firing", gateway="default/etl"}`) == 1
	})
}
