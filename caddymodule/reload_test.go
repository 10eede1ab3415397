package caddymodule_test

import (
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"

	"github.com/livygateway/livygateway/caddymodule"
	"github.com/livygateway/livygateway/caddymodule/internal/caddytest"
	"github.com/livygateway/livygateway/caddymodule/internal/core"
	"github.com/livygateway/livygateway/internal/control"
	"github.com/livygateway/livygateway/internal/doctor"
	"github.com/livygateway/livygateway/internal/eventually"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy/livytest"
)

// loadText loads a configuration with these lines in the livy option.
func loadText(t *testing.T, livy, sites string) error {
	t.Helper()
	text := "{\n\tadmin off\n\tpersist_config off\n\tauto_https off\n\tlivy {\n" + livy + "\n\t}\n}\n" + sites
	t.Cleanup(func() { _ = caddy.Stop() })
	return load(t, text)
}

func load(t *testing.T, caddyfile string) error {
	t.Helper()
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(caddyfile), nil)
	if err != nil {
		t.Fatal(err)
	}
	return caddy.Load(config, true)
}

// Configurations with different runtimes must not share a core, which would keep using the old
// one.
func TestAReloadWithAnotherRuntimeMakesAnotherCore(t *testing.T) {
	redis := "\t\tredis redis://" + miniredis.RunT(t).Addr() + "/0\n"
	engineHost := dockerThatAnswers(t)
	const engine = "\n\t\tengine x {\n\t\t\turl http://127.0.0.1:1\n\t\t\timage x\n\t\t\tlivy_home /x\n\t\t\tspark_home /x\n\t\t}\n"
	var last *core.Core
	for _, runtime := range []string{
		"runtime static", "runtime process", "runtime process {\nstate_dir " + t.TempDir() + "\n}",
		"runtime docker {\nhost " + engineHost + "\n}", "runtime docker {\nhost " + engineHost + "\nnamespace other\n}",
	} {
		if err := loadText(t, redis+runtime+engine, ""); err != nil {
			t.Fatal(err)
		}
		now := core.InForce()
		if now == last {
			t.Errorf("%s: the core of the previous runtime is used", runtime)
		}
		if name := now.Manager.Runtime.Name(); !strings.HasPrefix(runtime, "runtime "+name) {
			t.Errorf("%s: servers are run by runtime %s", runtime, name)
		}
		last = now
	}
}

// dockerThatAnswers returns the address of a server that answers as an idle Docker engine.
func dockerThatAnswers(t *testing.T) string {
	engine := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Api-Version", "1.47")
		if !strings.HasSuffix(r.URL.Path, "/_ping") {
			fmt.Fprint(w, "[]")
		}
	}))
	t.Cleanup(engine.Close)
	return "tcp://" + strings.TrimPrefix(engine.URL, "http://")
}

// TestAReloadOntoWhatDoesNotAnswer is refused. At the start of Caddy the same configuration waits.
func TestAReloadOntoWhatDoesNotAnswer(t *testing.T) {
	const engine = "\n\t\tengine x {\n\t\t\turl http://127.0.0.1:1\n\t\t\timage x\n\t\t}\n"
	const noRedis = "redis redis://:secret-word@127.0.0.1:1/0\nruntime static" + engine
	working := "redis redis://" + miniredis.RunT(t).Addr() + "/0\n"
	for _, c := range []struct{ name, options, want string }{
		{"Redis", noRedis, "the configuration in force stays: cannot use Redis"},
		{"Docker", working + "runtime docker {\nhost unix:///no/such/socket\n}" + engine, "the configuration in force stays: cannot use runtime docker"},
	} {
		if err := loadText(t, working+"runtime static"+engine, ""); err != nil {
			t.Fatal(err)
		}
		before := core.InForce()
		err := loadText(t, c.options, "")
		if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "secret-word") {
			t.Errorf("%s: reload: %v", c.name, err)
		}
		if core.InForce() != before || before.Store.Ping(t.Context()) != nil {
			t.Errorf("%s: the core in force is not the one before", c.name)
		}
		_ = caddy.Stop()
		if err := loadText(t, c.options, ""); err != nil {
			t.Errorf("%s: start: %v", c.name, err)
		}
		if err := loadText(t, c.options+"start_timeout 5m\n", ""); err != nil {
			t.Errorf("%s: a reload that keeps it: %v", c.name, err)
		}
		_ = caddy.Stop()
	}
}

// TestAReloadThatFailsAfterTheStart leaves nothing of itself: Caddy may give a configuration up
// after all of its apps have been started.
func TestAReloadThatFailsAfterTheStart(t *testing.T) {
	redis := "redis redis://" + miniredis.RunT(t).Addr() + "/0\n"
	const rest = "runtime static\nengine x {\nurl http://127.0.0.1:1\n}\n"
	const declared = "gateway etl {\n}\n"
	if err := loadText(t, redis+rest+declared, ""); err != nil {
		t.Fatal(err)
	}
	before := core.InForce()
	eventually.True(t, time.Minute, "the gateway of the configuration", func() bool {
		_, err := before.Manager.Lookup("default", "etl")
		return err == nil
	})
	other := "redis redis://" + miniredis.RunT(t).Addr() + "/0\n"
	for name, options := range map[string]string{
		"the same core": redis + rest + "start_timeout 77s\nretention 2h\n",
		"another core":  other + rest + "start_timeout 77s\n",
	} {
		text := "{\npersist_config off\nadmin off\nauto_https off\nlivy {\n" + options + "}\n}\n"
		config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), nil)
		if err != nil {
			t.Fatal(err)
		}
		var late map[string]any
		if err := json.Unmarshal(config, &late); err != nil {
			t.Fatal(err)
		}
		late["admin"] = map[string]any{"disabled": true, "config": map[string]any{
			"persist": false, "load": map[string]any{"module": "http", "url": "http://127.0.0.1:1/"},
		}}
		if config, err = json.Marshal(late); err != nil {
			t.Fatal(err)
		}
		if err := caddy.Load(config, true); err == nil || !strings.Contains(err.Error(), "loading dynamic config") {
			t.Fatalf("%s: reload: %v", name, err)
		}
		if core.InForce() != before || before.Manager.Settings().StartTimeout == 77*time.Second {
			t.Errorf("%s: the settings of the refused configuration are in force", name)
		}
		const month = 30 * 24 * time.Hour
		if got := before.Ledger.SetRetention(month); got != month {
			t.Errorf("%s: records are kept for %s", name, got)
		}
		time.Sleep(100 * time.Millisecond) // for what would be done in the background
		if g, err := before.Manager.Get(t.Context(), "default", "etl"); err != nil || !g.Declared || g.Desired != gateway.StateRunning {
			t.Errorf("%s: the gateway of the configuration in force is %+v, %v", name, g, err)
		}
	}
}

// A configuration that cannot be started changes nothing, the admin endpoint included.
func TestAFailedReloadLeavesTheCoreInForce(t *testing.T) {
	s := caddytest.New(t, livytest.New())
	before := core.InForce()
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	// Apps are started in the order of a map. In one of these attempts, ours is the first.
	for range 12 {
		other := fmt.Sprintf("\t\tredis redis://%s/0\n\t\truntime static\n\t\tengine x {\n\t\t\turl http://127.0.0.1:1\n\t\t}", miniredis.RunT(t).Addr())
		if err := loadText(t, other, "http://"+taken.Addr().String()+" {\n\tlivy_gateway\n}\n"); err == nil {
			t.Fatal("a configuration with an address that is taken was started")
		}
		if core.InForce() != before {
			t.Fatal("the core in force is not the one of the configuration in force")
		}
	}
	const month = 30 * 24 * time.Hour
	for range 12 {
		other := strings.Replace(s.Config, "local_dir /data", "local_dir /data\nretention 2h", 1)
		other = strings.Replace(other, s.Public, taken.Addr().String(), 1)
		if err := load(t, other); err == nil {
			t.Fatal("a configuration with an address that is taken was started")
		}
		if got := before.Ledger.SetRetention(month); got != month {
			t.Fatalf("records are kept for %s, as in the configuration that was not started", got)
		}
	}
}

// A reload that removes a catalog entry in use is refused, and the old configuration stays in
// force.
func TestAReloadCannotDropWhatIsUsed(t *testing.T) {
	s := caddytest.New(t, livytest.New())
	with := strings.Replace(s.Config, "local_dir /data", "local_dir /data\nenvironment analytics {\nconf spark.sql.ansi.enabled true\n}", 1)
	s.Load(with)
	manager := core.InForce().Manager
	if _, err := manager.Update(t.Context(), s.Gateway, control.UpdateRequest{Patch: []byte(`{"environment":"analytics"}`)}); err != nil {
		t.Fatal(err)
	}
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(s.Config), nil)
	if err != nil {
		t.Fatal(err)
	}
	err = caddy.Load(config, true)
	if err == nil || !strings.Contains(err.Error(), `environment "analytics" is used by gateway default/etl`) {
		t.Errorf("reload: %v", err)
	}
	if _, ok := manager.Catalog().Environment("analytics"); !ok {
		t.Error("the old configuration is no longer in force")
	}
	if r := s.Do("GET", "/sessions", ""); r.StatusCode != 200 {
		t.Errorf("after the refused reload: %d %s", r.StatusCode, r.Text)
	}
}

// TestAnUnreadableFileChangesNothing reloads with a policy file that was removed, and checks that
// the earlier rules still apply.
func TestAnUnreadableFileChangesNothing(t *testing.T) {
	s := caddytest.New(t, livytest.New())
	file := files(t, map[string]string{"rules": "max spark.executor.memory 8g\n", "blacklist": ""})
	path := strings.Trim(strings.TrimPrefix(file("rules"), "{file."), "}")
	with := strings.Replace(s.Config, "local_dir /data", "local_dir /data\ngateway ruled {\npolicy_rules "+file("rules")+"\nspark_blacklist "+file("blacklist")+"\n}", 1)
	s.Load(with)
	s.AwaitState("ruled", gateway.StateRunning)
	manager := core.InForce().Manager
	rules := func() string {
		e, err := manager.Lookup("default", "ruled")
		if err != nil {
			t.Fatal(err)
		}
		inForce, _, err := manager.Rules(e.Gateway)
		if err != nil {
			t.Fatal(err)
		}
		text, _ := json.Marshal(inForce)
		return string(text)
	}
	const rule = `"effect":"max","key":"spark.executor.memory","value":"8g"`
	if !strings.Contains(rules(), rule) {
		t.Fatalf("before: %s", rules())
	}
	e, _ := manager.Lookup("default", "ruled")
	if notes := strings.Join(manager.Notes(e.Gateway), "\n"); !strings.Contains(notes, "spark_blacklist is empty: "+file("blacklist")) {
		t.Errorf("notes: %s", notes)
	}
	if log := s.Logged(); !strings.Contains(log, `"a placeholder of the configuration is empty","option":"gateway \"ruled\": spark_blacklist"`) {
		t.Error("nothing in the log of the empty file")
	}
	config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(with), nil)
	if err != nil {
		t.Fatal(err)
	}
	doctored := func() []doctor.Result { return caddymodule.ExamineInForce(t, config) }
	if found := doctored(); len(found) > 0 {
		t.Errorf("the doctor reports %+v", found)
	}
	revision := e.Gateway.Revision
	want := `gateway "ruled": policy_rules: ` + file("rules") + " cannot be read: "
	for name, spoil := range map[string]func(string) error{
		"gone":        func(string) error { return nil },
		"a directory": func(path string) error { return os.Mkdir(path, 0o700) },
	} {
		if err := os.RemoveAll(path); err != nil {
			t.Fatal(err)
		}
		if err := spoil(path); err != nil {
			t.Fatal(err)
		}
		if err := caddy.Validate(parsed(t, config)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: caddy validate: %v; want %q", name, err, want)
		}
		if err := caddy.Load(config, true); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: reload: %v; want %q", name, err, want)
		}
		if found := doctored(); len(found) != 1 || found[0].Status != doctor.Fail || !strings.Contains(found[0].Summary, want) {
			t.Errorf("%s: the doctor reports %+v", name, found)
		}
		if !strings.Contains(rules(), rule) {
			t.Errorf("%s: after the refused reload: %s", name, rules())
		}
	}
	if e, _ = manager.Lookup("default", "ruled"); e.Gateway.Revision != revision {
		t.Errorf("revision %d became %d", revision, e.Gateway.Revision)
	}
}

// TestAFileNamedByMistake puts a placeholder for a password file into every string option.
func TestAFileNamedByMistake(t *testing.T) {
	const secret = `hunter2 "and" more`
	file := files(t, map[string]string{"secret": secret + "\n", "word": "hunter2and-more!\n"})
	base := caddytest.New(t, livytest.New()).Config
	for _, option := range []string{
		"gateway x {\nqueue %s\n}", "gateway x {\nidentity %s\n}", "gateway x {\nengine %s\n}", "gateway x {\nmemory %s\n}",
		"gateway x {\nlivy_conf %s\n}", "gateway x {\nlivy_client_conf %s\n}", "gateway x {\nspark_defaults %s\n}",
		"gateway x {\nspark_blacklist %s\n}", "gateway x {\npolicy_rules %s\n}", "gateway x {\nworkspace %s\n}",
		"gateway x {\ndisable_routes %s\n}", "gateway x {\nstatement_audit %s\n}",
		"queue %s", "memory %s", "schemes %s", "livy_keys %s", "on_exit %s", "history_server %s",
		"cluster x {\nmaster %s\n}", "environment x {\ndir %s\n}", "directory x {\ntype %s\n}",
	} {
		for _, name := range []string{"secret", "word"} {
			text := strings.Replace(base, "local_dir /data", "local_dir /data\n"+strings.Replace(option, "%s", file(name), 1), 1)
			config, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), nil)
			if err != nil {
				t.Fatal(err)
			}
			err = caddy.Validate(parsed(t, config))
			if err == nil && name == "secret" && !strings.HasPrefix(option, "schemes") && !strings.HasPrefix(option, "livy_keys") {
				t.Errorf("%s: valid", option)
			}
			if err != nil && strings.Contains(err.Error(), "hunter2") {
				t.Errorf("%s: %v", option, err)
			}
		}
	}
}

// files creates files in a directory and returns their placeholders.
func files(t *testing.T, texts map[string]string) func(name string) string {
	t.Helper()
	dir := t.TempDir()
	for name, text := range texts {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return func(name string) string { return "{file." + filepath.Join(dir, name) + "}" }
}

func parsed(t *testing.T, config []byte) *caddy.Config {
	t.Helper()
	var c caddy.Config
	if err := json.Unmarshal(config, &c); err != nil {
		t.Fatal(err)
	}
	return &c
}

// TestBackgroundLogsGoWhereTheConfigurationSays has a separate log for "livy" in two
// configurations. What survives the reload writes to the one of the configuration in force.
func TestBackgroundLogsGoWhereTheConfigurationSays(t *testing.T) {
	s := caddytest.New(t, livytest.New())
	dir := t.TempDir()
	text := func(name string) string {
		all, err := os.ReadFile(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return string(all)
	}
	with := func(name string) string {
		logs := "log default {\noutput file " + filepath.Join(dir, "default") + "\nexclude livy\n}\n" +
			"log livy {\noutput file " + filepath.Join(dir, name) + "\ninclude livy\n}\n"
		begin := strings.Index(s.Config, "	log {")
		end := strings.Index(s.Config, "	livy {")
		return s.Config[:begin] + logs + s.Config[end:]
	}
	m := core.InForce().Manager
	cycle := func() { // a life that the supervision logs
		t.Helper()
		g, err := m.Restart(t.Context(), s.Gateway, gateway.By("test"))
		if err != nil {
			t.Fatal(err)
		}
		s.Await(func() bool {
			e, err := m.Lookup("default", "etl")
			return err == nil && e.Gateway.Status.State == gateway.StateRunning && e.Gateway.Status.Epoch > g.Status.Epoch
		})
	}
	s.Load(with("first"))
	cycle()
	if !strings.Contains(text("first"), `"logger":"livy.`) && !strings.Contains(text("first"), `"logger":"livy"`) {
		t.Errorf("the first configuration's log for livy: %s", text("first"))
	}
	s.Load(with("second"))
	before := text("first")
	cycle()
	if after := text("first"); after != before {
		t.Errorf("the log of the configuration before: %s", strings.TrimPrefix(after, before))
	}
	if !strings.Contains(text("second"), `"logger":"livy`) || strings.Contains(text("default"), `"logger":"livy`) {
		t.Errorf("the second configuration's logs: for livy %s, the rest %s", text("second"), text("default"))
	}

	// A configuration that cannot be started does not take over logs.
	taken, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer taken.Close()
	for range 6 { // apps are started in the order of a map
		if err := load(t, strings.Replace(with("third"), s.Public, taken.Addr().String(), 1)); err == nil {
			t.Fatal("a configuration with an address that is taken was started")
		}
	}
	before = text("second")
	cycle()
	if text("second") == before {
		t.Error("the log of the configuration in force is not used any more")
	}
}
