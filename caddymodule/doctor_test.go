package caddymodule

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"

	_ "github.com/livygateway/livygateway/caddymodule/livyconsole" // the example has it
	"github.com/livygateway/livygateway/internal/doctor"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// statuses returns a report's results by their checks.
func statuses(r doctor.Report) map[string]doctor.Status {
	all := make(map[string]doctor.Status)
	for _, res := range r.Results {
		all[res.Check] = res.Status
	}
	return all
}

// examined writes a Caddyfile with options and sites, and examines it.
func examined(t *testing.T, admin, options, sites string, inLivy ...string) doctor.Report {
	t.Helper()
	livy := httptest.NewServer(livytest.New())
	t.Cleanup(livy.Close)
	_, redis := storetest.Mini(t)
	file := filepath.Join(t.TempDir(), "Caddyfile")
	text := "{\n" + admin + "\npersist_config off\nauto_https disable_redirects\n" + options +
		"\nlivy {\nredis redis://" + redis.Addr() + "/0\nruntime static\nengine double {\nurl " + livy.URL + "\n}\n" +
		"engine other {\nurl http://127.0.0.1:1\n}\n" + strings.Join(inLivy, "\n") + "\n}\n}\n" + sites
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	report, err := examineFile(t.Context(), file, "")
	if err != nil {
		t.Fatal(err)
	}
	return report
}

func TestExamineFile(t *testing.T) {
	taken := httptest.NewServer(http.NotFoundHandler()) // its port is not free
	defer taken.Close()
	port := taken.URL[strings.LastIndexByte(taken.URL, ':'):]
	tests := []struct {
		name, admin, options, sites string
		check                       string
		want                        doctor.Status
	}{
		{"engine answers", "", "", "", "engine double", doctor.OK},
		{"engine does not answer", "", "", "", "engine other", doctor.Fail},
		{"no site", "", "", "", "sites", doctor.Warn},
		{"here only", "", "", "http://127.0.0.1:28081 {\nbind 127.0.0.1\nlivy_gateway\n}", "site 127.0.0.1:28081", doctor.OK},
		{"open", "", "", "http://127.0.0.1:28082 {\nlivy_gateway\n}", "site :28082", doctor.Warn},
		{"public in clear", "", "", "http://livy.test:28083 {\nlivy_gateway {\npublic\n}\n}", "site :28083", doctor.Warn},
		{"https", "", "local_certs\nskip_install_trust", "https://livy.test:28084 {\nlivy_gateway {\npublic\n}\n}", "site :28084", doctor.OK},
		{"no log", "", "", ":28085 {\nlivy_gateway\n}", "log :28085", doctor.OK},
		{"log", "", "", ":28086 {\nlog\nlivy_gateway\n}", "log :28086", doctor.OK},
		{"log of other paths", "", "", ":28087 {\nlog\nhandle /livy/* {\nlivy_gateway etl\n}\n}", "log :28087", doctor.Warn},
		{
			"log of other clients", "", "", ":28091 {\nlog\n@here client_ip 127.0.0.1\nhandle @here {\nlivy_gateway etl\n}\n}", "log :28091", doctor.Warn,
		},
		{"log of one host", "", "", "http://livy.test:28092 {\nlog\nlivy_gateway\n}", "log :28092", doctor.OK},
		{
			"log that filters", "", "log {\nformat filter {\nrequest>headers>X-Acs-Spark-Livy-Token delete\n}\n}",
			":28088 {\nlog\nhandle /livy/* {\nlivy_gateway etl\n}\n}", "log :28088", doctor.OK,
		},
		{"credentials in the log", "", "servers {\nlog_credentials\n}", ":28089 {\nlog\nlivy_gateway\n}", "log :28089", doctor.Fail},
		{"port taken", "", "", "http://127.0.0.1" + port + " {\nbind 127.0.0.1\nlivy_gateway\n}", "port 127.0.0.1" + port, doctor.Fail},
		{"managed API without a sealing key", "", "", "http://127.0.0.1:28098 {\nbind 127.0.0.1\nlivy_managed_api\nlivy_gateway\n}", "access keys", doctor.Warn},
		{"proxies", "", "servers {\ntrusted_proxies static private_ranges\n}", ":28093 {\nlivy_gateway\n}", "client addresses :28093", doctor.Warn},
		{
			"proxies of a site without gateways", "", "servers {\ntrusted_proxies static private_ranges\n}",
			":28094 {\nrespond ok\n}", "client addresses :28094", "",
		},
		{
			"proxies, strictly", "", "servers {\ntrusted_proxies static private_ranges\ntrusted_proxies_strict\n}",
			":28095 {\nlivy_gateway\n}", "client addresses :28095", doctor.OK,
		},
		{"no proxies", "", "", ":28096 {\nlivy_gateway\n}", "client addresses :28096", ""},
		{"admin for all", "admin 0.0.0.0:22019", "", "", "admin endpoint", doctor.Fail},
		{"admin here", "admin localhost:22019", "", "", "admin endpoint", doctor.OK},
		{"admin on a socket", "admin unix//tmp/x.sock", "", "", "admin endpoint", doctor.OK},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			report := examined(t, tt.admin, tt.options, tt.sites)
			if got := statuses(report)[tt.check]; got != tt.want {
				t.Errorf("%s: %q, want %s, in %+v", tt.check, got, tt.want, report.Results)
			}
		})
	}
}

// Beside a Caddy that runs, its own ports are no problem of its next configuration.
func TestExaminePortsOfTheRunningCaddy(t *testing.T) {
	taken := httptest.NewServer(http.NotFoundHandler())
	defer taken.Close()
	port := taken.URL[strings.LastIndexByte(taken.URL, ':'):]
	for name, tt := range map[string]struct {
		listen string // of the running Caddy
		want   doctor.Status
	}{"its own": {"127.0.0.1" + port, doctor.OK}, "another's": {":1", doctor.Fail}} {
		admin := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/config/" {
				fmt.Fprintf(w, `{"apps":{"http":{"servers":{"srv0":{"listen":[%q]}}}}}`, tt.listen)
			}
		}))
		report := examined(t, "admin "+strings.TrimPrefix(admin.URL, "http://"), "", "http://127.0.0.1"+port+" {\nbind 127.0.0.1\nlivy_gateway\n}")
		admin.Close()
		if got := statuses(report)["port 127.0.0.1"+port]; got != tt.want {
			t.Errorf("%s: %q, want %s", name, got, tt.want)
		}
	}
}

// For a configuration that is not in force, the notes of its gateways are reported.
func TestExamineWhatIsDeclared(t *testing.T) {
	file := filepath.Join(t.TempDir(), "Caddyfile")
	empty := files(t, map[string]string{"empty": ""})("empty")
	text := "{\nadmin off\nlivy {\nredis embedded\nruntime static\nengine double {\nurl http://127.0.0.1:1\n}\n" +
		"gateway etl {\nspark_blacklist spark.driver.memroy\npolicy_rules " + empty + "\n}\n}\n}\n"
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	report, err := examineFile(t.Context(), file, "")
	if err != nil {
		t.Fatal(err)
	}
	var said string
	for _, r := range report.Results {
		if r.Check == "gateway default/etl" && r.Status == doctor.Warn {
			said += r.Summary + "\n"
		}
	}
	for _, want := range []string{"policy_rules is empty: " + empty, "did you mean spark.driver.memory?"} {
		if !strings.Contains(said, want) {
			t.Errorf("%q is missing in: %s", want, said)
		}
	}
}

func TestExamineWhatIsNoConfiguration(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "caddy.json")
	for text, kind := range map[string]gateway.Kind{"": gateway.KindInvalid, "{": gateway.KindInvalid} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := examineFile(t.Context(), file, ""); gateway.KindOf(err) != kind {
			t.Errorf("%q: %v", text, err)
		}
	}
	if _, err := examineFile(t.Context(), filepath.Join(dir, "none"), ""); gateway.KindOf(err) != gateway.KindInvalid {
		t.Errorf("no file: %v", err)
	}
	for _, text := range []string{`{}`, `{"apps":{"livy":{"engines":[]}}}`} {
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		report, err := examineFile(t.Context(), file, "")
		if err != nil || report.Failed != 1 {
			t.Errorf("%s: %+v %v", text, report, err)
		}
	}
}

// In the example, only this machine is served, and tokens are sent in clear text.
func TestTheExampleIsForThisMachineOnly(t *testing.T) {
	text, err := os.ReadFile("../Caddyfile.example")
	if err != nil {
		t.Fatal(err)
	}
	adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt(text, nil)
	if err != nil {
		t.Fatal(err)
	}
	config, err := readConfig(adapted)
	if err != nil {
		t.Fatal(err)
	}
	for _, server := range config.Apps.HTTP.Servers {
		for _, address := range server.Listen {
			if !isLocal(address) {
				t.Errorf("it listens on %s", address)
			}
		}
	}
	if len(config.exposedAdmin()) > 0 {
		t.Errorf("its admin endpoint listens on %v", config.exposedAdmin())
	}
}

// TestOptionsInCommentsOfTheExample: what the example shows in comments can be read.
func TestOptionsInCommentsOfTheExample(t *testing.T) {
	text, err := os.ReadFile("../Caddyfile.example")
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile(`(?m)^\t\t# \w+ .*\{\n(?:\t\t#\t.*\n)+\t\t# \}$`).FindAllString(string(text), -1)
	if len(blocks) < 9 {
		t.Errorf("%d options in comments, want at least 9", len(blocks))
	}
	for _, block := range blocks {
		plain := "{\nlivy {\n" + strings.ReplaceAll(block, "\t\t#", "") + "\n}\n}\n"
		if _, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(plain), nil); err != nil {
			t.Errorf("%v\n%s", err, plain)
		}
	}
}
