package upstream

import (
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
)

func TestParseConf(t *testing.T) {
	tests := []struct{ name, file, text string }{
		{"empty", LivyConf, ""},
		{"livy.conf", LivyConf, "livy.server.session.timeout  1h\nlivy.impersonation.enabled = true\nlivy.server.auth.type ldap"},
		{"an RSC key in livy.conf", LivyConf, "livy.rsc.sql.num-rows 10"},
		{"the master in livy.conf", LivyConf, "livy.spark.master yarn"},
		{"livy-client.conf", LivyClientConf, "livy.rsc.sql.num-rows  1000\nspark.app.name x"},
		{"blacklist", SparkBlacklist, "# no\nspark.driver.cores\nspark.driver.memory\nlivy.rsc.server.idle-timeout\n"},
		{"blacklist with values", SparkBlacklist, "spark.driver.cores 4"},
		{"spark-defaults", SparkDefaults, "spark.driver.memory 7g\nspark.livy.proxyUser root"},
		{"set twice", SparkDefaults, "spark.a 1\nspark.a 2"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := ParseConf(tt.file, tt.text); err != nil {
				t.Error(err)
			}
		})
	}
}

func TestParseConfErrors(t *testing.T) {
	tests := []struct{ name, file, text, want string }{
		{"no value", LivyConf, "livy.a 1\nlivy.server.session.timeout\n", `livy.conf line 2: has no value (got "livy.server.session.timeout")`},
		{"no key", LivyConf, "= 1", `livy.conf line 1: has no key`},
		{"another family", LivyConf, "\n\nserver.port 1", `livy.conf line 3: a key must begin with livy.`},
		{"spark key in livy.conf", LivyConf, "spark.a 1", `livy.conf line 1: a key must begin with livy. (got "spark.a")`},
		{"another family in the client's", LivyClientConf, "a 1", `livy-client.conf line 1: a key must begin with livy. or spark.`},
		{"livy key in the defaults", SparkDefaults, "livy.a 1", `spark-defaults.conf line 1: a key must begin with spark. (got "livy.a")`},
		{"blank in key", SparkDefaults, `spark.a\ b 1`, `spark-defaults.conf line 1: a key must not contain whitespace, '=' or control characters`},
		{"equals in key", SparkDefaults, `spark.a\=b 1`, `spark-defaults.conf line 1: a key must not contain whitespace, '=' or control characters`},
		{"line end in value", SparkDefaults, `spark.a 1\nspark.b 2`, `spark-defaults.conf line 1: a value must not contain control characters (got "spark.a")`},
		{"broken escape", SparkDefaults, "spark.a 1\nspark.b \\uZZZZ", `spark-defaults.conf line 2: \u needs four hexadecimal digits`},
		{"host", LivyConf, "livy.server.host 0.0.0.0", `livy.conf line 1: may not be set: the gateway chooses the address that Livy listens on (got "livy.server.host")`},
		{"port", LivyConf, "livy.server.port 1", `livy.conf line 1: may not be set: the gateway chooses the port that Livy listens on (got "livy.server.port")`},
		{"UI", LivyConf, "livy.ui.basePath /x", `livy.conf line 1: may not be set: Livy's own pages are not served through a gateway (got "livy.ui.basePath")`},
		{"CSRF", LivyConf, "livy.server.csrf-protection.enabled true", `livy.conf line 1: may not be set: the gateway protects against forged requests itself (got "livy.server.csrf-protection.enabled")`},
		{"CSRF by its old name", LivyConf, "livy.server.csrf_protection.enabled true", `livy.conf line 1: may not be set: the gateway protects against forged requests itself (got "livy.server.csrf_protection.enabled")`},
		{"recovery", LivyConf, "livy.server.recovery.state-store.url /x", `livy.conf line 1: may not be set: the gateway keeps the records of sessions itself (got "livy.server.recovery.state-store.url")`},
		{"hidden by an escape", LivyConf, `livy.server.\u0070ort 1`, `livy.conf line 1: may not be set: the gateway chooses the port that Livy listens on (got "livy.server.port")`},
		{"hidden by a continued line", LivyConf, "livy.server.\\\n  port 1", `livy.conf line 1: may not be set: the gateway chooses the port that Livy listens on (got "livy.server.port")`},
		{"Thrift", LivyConf, "livy.server.thrift.enabled true", `livy.conf line 1: may not be set: a Thrift port would bypass the gateway (got "livy.server.thrift.enabled")`},
		{"TLS", LivyConf, "livy.keystore /x", `livy.conf line 1: may not be set: TLS ends at the gateway (got "livy.keystore")`},
		{"driver's way home", LivyClientConf, "livy.rsc.launcher.address evil", `livy-client.conf line 1: may not be set: the gateway chooses the address that drivers report to (got "livy.rsc.launcher.address")`},
		{"too long", SparkDefaults, strings.Repeat("#", MaxConfBytes+1), `spark-defaults.conf: must be at most 256 KiB (got "")`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			_, err := ParseConf(tt.file, tt.text)
			if gateway.KindOf(err) != gateway.KindInvalid || err.Error() != tt.want {
				t.Errorf("got  %v\nwant %s", err, tt.want)
			}
		})
	}
}

// A value may be a password and appears in no error.
func TestErrorsHoldNoValues(t *testing.T) {
	for _, text := range []string{"livy.keystore.password hunter2", "x hunter2", `livy.a hunter2\nx`} {
		if _, err := ParseConf(LivyConf, text); err == nil || strings.Contains(err.Error(), "hunter2") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// parsed reads texts by file.
func parsed(t *testing.T, texts map[string]string) Conf {
	t.Helper()
	var c Conf
	for file, list := range map[string]*[]Entry{LivyConf: &c.Livy, LivyClientConf: &c.LivyClient, SparkBlacklist: &c.Blacklist, SparkDefaults: &c.Spark} {
		entries, err := ParseConf(file, texts[file])
		if err != nil {
			t.Fatal(err)
		}
		*list = entries
	}
	return c
}

func TestRenderConf(t *testing.T) {
	files := RenderConf(ConfInput{
		Master: "local[2]",
		Conf: parsed(t, map[string]string{
			LivyConf:       "# mine\nlivy.server.session.timeout 2h\nlivy.file.local-dir-whitelist /a,/b",
			LivyClientConf: "livy.rsc.sql.num-rows 7",
			SparkBlacklist: "spark.master yarn\nspark.driver.memory\ndriverMemory",
			SparkDefaults:  "spark.driver.memory 7g",
		}),
		LocalDirs: []string{"/shared"},
	})
	names := slices.Sorted(maps.Keys(files))
	if want := []string{LivyClientConf, LivyConf, Log4j, SparkBlacklist, SparkDefaults}; !slices.Equal(names, want) {
		t.Errorf("files %v, want %v", names, want)
	}
	for name, want := range map[string]string{
		LivyConf: `livy.spark.master = local[2]
livy.rsc.launcher.port.range = 10000~11999
livy.server.request-log-retain.days = 1
livy.server.session.timeout = 2h
livy.file.local-dir-whitelist = /a,/b
livy.file.local-dir-whitelist = /a,/b,/shared
livy.ui.enabled = false
livy.server.csrf-protection.enabled = false
livy.server.recovery.mode = off
`,
		LivyClientConf: "livy.rsc.sql.num-rows = 7\n",
		SparkBlacklist: "spark.master\nspark.driver.memory\n",
		SparkDefaults:  "spark.driver.memory = 7g\n",
	} {
		if files[name] != want {
			t.Errorf("%s:\n%s\nwant:\n%s", name, files[name], want)
		}
	}
}

// TestMetastores: drivers in one directory do not share a Derby, and whoever names a
// metastore has it.
func TestMetastores(t *testing.T) {
	const theirs = "spark.hadoop.javax.jdo.option.ConnectionURL jdbc:postgresql://db/hive"
	for name, tt := range map[string]struct {
		in   ConfInput
		want string
	}{
		"alone":             {ConfInput{Alone: true}, "jdbc:derby:memory:metastore;create=true"},
		"on a cluster":      {ConfInput{}, ""},
		"one that is named": {ConfInput{Alone: true, Conf: parsed(t, map[string]string{SparkDefaults: theirs})}, "jdbc:postgresql://db/hive"},
	} {
		got, err := livy.ParseProperties(RenderConf(tt.in)[SparkDefaults])
		if url := Lookup(got, metastoreKey); err != nil || url != tt.want {
			t.Errorf("%s: %q, %v; want %q", name, url, err, tt.want)
		}
	}
}

func TestTheGatewaysOwnLoginIsASuperuser(t *testing.T) {
	in := ConfInput{Superuser: "svc"}
	if conf := RenderConf(in)[LivyConf]; !strings.Contains(conf, "livy.superusers = svc\n") {
		t.Errorf("livy.conf:\n%s", conf)
	}
	in.Livy = []Entry{{Key: "livy.superusers", Value: "root,ops"}}
	conf, err := livy.ParseProperties(RenderConf(in)[LivyConf])
	if got := Lookup(conf, "livy.superusers"); err != nil || got != "root,ops,svc" {
		t.Errorf("superusers %q, %v", got, err)
	}
}

func TestRunsLocally(t *testing.T) {
	for master, want := range map[string]bool{
		"": true, "local": true, "local[*]": true, "local[4]": true, "spark://m:7077": false, "yarn": false,
		"local-cluster[1,1,512]": false,
	} {
		if l := (&Launch{Master: master}); l.RunsLocally() != want {
			t.Errorf("%q: %v", master, !want)
		}
	}
}

func TestWithAddress(t *testing.T) {
	files := map[string]string{LivyConf: "livy.a = 1", SparkDefaults: "spark.a = 1\n"}
	got := WithAddress(files, "127.0.0.1", 4711)
	if want := "livy.a = 1\nlivy.server.host = 127.0.0.1\nlivy.server.port = 4711\n"; got[LivyConf] != want {
		t.Errorf("livy.conf:\n%s\nwant:\n%s", got[LivyConf], want)
	}
	if got[SparkDefaults] != files[SparkDefaults] || files[LivyConf] != "livy.a = 1" {
		t.Errorf("others changed: %v, %v", got, files)
	}
}

func TestWithHome(t *testing.T) {
	for name, tt := range map[string]struct{ conf, want string }{
		"alone":                {"", "/home/livy/.livy-sessions"},
		"after others":         {"livy.file.local-dir-whitelist = /a/,/b\n", "/a/,/b,/home/livy/.livy-sessions"},
		"a staging directory":  {"livy.session.staging-dir = /staging\n", "/staging"},
		"one of a local URI":   {"livy.session.staging-dir = file:///staging\n", "/staging"},
		"one of another store": {"livy.session.staging-dir = hdfs://nn/staging\n", ""},
	} {
		t.Run(name, func(t *testing.T) {
			files := map[string]string{LivyConf: tt.conf, SparkDefaults: "spark.a = 1\n"}
			got, err := WithHome(files, "/home/livy")
			if err != nil {
				t.Fatal(err)
			}
			server, err := livy.ParseProperties(got[LivyConf])
			if dirs := Lookup(server, LocalDirsKey); err != nil || dirs != tt.want {
				t.Errorf("%s = %q, %v; want %q", LocalDirsKey, dirs, err, tt.want)
			}
			if !strings.HasPrefix(got[LivyConf], tt.conf) || got[SparkDefaults] != files[SparkDefaults] || files[LivyConf] != tt.conf {
				t.Errorf("others changed: %q, %q", got, files)
			}
		})
	}
}

// The image starts Java by itself; what it opens must be what we know is needed.
func TestImageOpensTheSamePackages(t *testing.T) {
	raw, err := os.ReadFile("../docker/Dockerfile")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(raw), "-XX:MaxRAMPercentage=12.5 "+JavaOptions()+`"`) {
		t.Errorf("docker/Dockerfile does not hold the options %s", JavaOptions())
	}
}

func TestLivyHeap(t *testing.T) {
	for memory, want := range map[int64]int64{4 << 30: 512 << 20, 16 << 30: 2 << 30, 1 << 30: 256 << 20, 0: 256 << 20} {
		if got := LivyHeap(memory); got != want {
			t.Errorf("LivyHeap(%d) = %d, want %d", memory, got, want)
		}
	}
}
