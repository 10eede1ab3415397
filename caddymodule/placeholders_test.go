package caddymodule

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	"go.uber.org/zap"
)

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

func TestPlaceholders(t *testing.T) {
	file := files(t, map[string]string{
		"rules": "max spark.executor.memory 8g\n", "crlf": "a\r\n", "empty": "", "blank": " \n\n",
		"large": strings.Repeat("#", maxFile+1), "most": strings.Repeat("#", maxFile), "braces": "{env.NOT_REPLACED}",
	})
	if err := os.Mkdir(strings.Trim(strings.TrimPrefix(file("dir"), "{file."), "}"), 0o700); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PH_SET", "value")
	t.Setenv("PH_EMPTY", "")
	const text, free = "queue", "policy_rules"
	for _, tt := range []struct{ name, option, in, want, err string }{
		{"nothing to replace", text, "root.etl", "root.etl", ""},
		{"a variable", text, "root.{env.PH_SET}", "root.value", ""},
		{"a file", free, file("rules"), "max spark.executor.memory 8g", ""},
		{"a file with the line ends of Windows", text, file("crlf"), "a", ""},
		{"the largest file", free, file("most"), strings.Repeat("#", maxFile), ""},
		{"what a file says is not replaced", free, file("braces"), "{env.NOT_REPLACED}", ""},
		{"two of them", text, "{env.PH_SET}-{env.PH_SET}", "value-value", ""},
		{"one of Caddy's own", text, "x{system.slash}y", "x/y", ""},
		{"braces that are meant", text, `\{a\}`, "{a}", ""},

		{"a missing file", free, file("nothing"), "", "nothing} cannot be read: no such file or directory"},
		{"a missing file of another option", text, file("nothing"), "", "nothing} cannot be read: no such file or directory"},
		{"a missing file amid text", free, "a\n" + file("nothing") + "\nb", "", "cannot be read: no such file"},
		{"a relative file", free, "{file.no/such}", "", "no such file or directory (looked for in /"},
		{"a directory", free, file("dir"), "", "cannot be read: it is a directory"},
		{"a device", free, "{file./dev/zero}", "", "cannot be read: it is not a regular file"},
		{"a file that Caddy would cut", free, file("large"), "", "cannot be read: it is larger than 1 MiB"},
		{"no file", free, "{file.}", "", "cannot be read: no such file"},
		{"an unset variable", free, "{env.PH_UNSET}", "", `{env.PH_UNSET}: the environment variable "PH_UNSET" is not set`},
		{"a default", text, "{env.PH_UNSET:x}", "", "placeholders have no defaults; use {$PH_UNSET:default} in a Caddyfile"},
		{"an unknown one", text, "root.{nothing}", "", "{...} is not a known placeholder"},
		{"an unknown one with a dot", text, "root.{no.thing}", "", "{no.thing} is not a known placeholder"},
		{"an unknown one that is all", free, "{/etc/livy/rules}", "", "{/etc/livy/rules} is not a known placeholder"},
		{"another spelling", free, "a {file:/etc/rules} b", "", "{file:/etc/rules} is not a known placeholder"},
		{"another case", free, "a {FILE./etc/rules} b", "", "is not a known placeholder"},
		{"a request's", free, "a {http.request.host}", "", "is not a known placeholder"},
		{"too many open braces", free, "{file.x " + strings.Repeat("{", 102), "", "too many unclosed placeholders"},
		{"an empty file", text, file("empty"), "", "empty} is empty: give it a value, or leave the option out"},
		{"an empty variable", text, "{env.PH_EMPTY}", "", "{env.PH_EMPTY} is empty"},

		{"an empty file of a free text", free, file("empty"), "", ""},
		{"a blank file of a free text", free, file("blank"), " \n", ""},
		{"an empty variable of a free text", free, "a{env.PH_EMPTY}b", "ab", ""},
		{"references of Spark's", free, "-Da=${spark.x} {{APP_ID}} %d{HH:mm}", "-Da=${spark.x} {{APP_ID}} %d{HH:mm}", ""},
		{"JSON", free, `{"a":1}`, `{"a":1}`, ""},
		{"globs", free, "hdfs:///jars/{a,b}.jar", "hdfs:///jars/{a,b}.jar", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			e := newExpander()
			got, err := e.text(tt.in, optionPath{`gateway "etl"`, tt.option})
			if tt.err != "" {
				if err == nil || !strings.Contains(err.Error(), tt.err) || !strings.HasPrefix(err.Error(), `gateway "etl": `+tt.option+": ") {
					t.Errorf("%v; want %q", err, tt.err)
				}
				return
			}
			if err != nil || got != tt.want {
				t.Errorf("%.80q, %v; want %.80q", got, err, tt.want)
			}
			if said := len(e.empty) > 0; said != strings.Contains(tt.name, " of a free text") {
				t.Errorf("said to be empty: %v", e.empty)
			}
		})
	}
}

// TestPlaceholdersOfEveryOption fills every string of the configuration, including options that
// are added in future, with a placeholder of a missing file.
func TestPlaceholdersOfEveryOption(t *testing.T) {
	const missing = "{file./no/such/file}"
	texts := 0
	var fill func(v reflect.Value, set func(reflect.Value) bool)
	fill = func(v reflect.Value, set func(reflect.Value) bool) {
		switch v.Kind() {
		case reflect.Pointer:
			if v.CanSet() && v.IsNil() {
				v.Set(reflect.New(v.Type().Elem()))
			}
			fill(v.Elem(), set)
		case reflect.Struct:
			for i := range v.NumField() {
				if f := v.Type().Field(i); f.IsExported() && f.Type != reflect.TypeFor[json.RawMessage]() {
					fill(v.Field(i), set)
				}
			}
		case reflect.Slice:
			one := reflect.MakeSlice(v.Type(), 1, 1)
			fill(one.Index(0), set)
			v.Set(one)
		case reflect.Map:
			text := reflect.New(v.Type().Elem()).Elem()
			fill(text, set)
			m := reflect.MakeMap(v.Type())
			m.SetMapIndex(reflect.ValueOf("KEY"), text)
			v.Set(m)
		case reflect.String:
			if set(v) {
				v.SetString(missing)
			}
		default:
		}
	}
	fill(reflect.ValueOf(new(App)), func(reflect.Value) bool { texts++; return false })
	if texts < 60 {
		t.Fatalf("only %d texts", texts)
	}
	for one := range texts {
		app, n := new(App), 0
		fill(reflect.ValueOf(app), func(reflect.Value) bool { n++; return n-1 == one })
		err := newExpander().all(app)
		if err == nil || !strings.Contains(err.Error(), missing+" cannot be read") {
			text, _ := json.Marshal(app)
			t.Errorf("text %d: %v: %s", one, err, text)
		}
	}
	for _, module := range []any{new(DockerRuntime), new(KubernetesRuntime), new(ProcessRuntime), new(StaticRuntime)} {
		fill(reflect.ValueOf(module), func(reflect.Value) bool { return true })
		text, err := json.Marshal(module)
		if err != nil {
			t.Fatal(err)
		}
		if _, err = newExpander().raw(text, optionPath{"runtime"}); strings.Contains(string(text), missing) != (err != nil) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestPlaceholdersAreReplacedWhereTheyStand(t *testing.T) {
	t.Setenv("PH_SET", "value")
	app, err := readApp(t, `livy {
	redis redis://{env.PH_SET}:6379 {
		prefix {env.PH_SET}:
	}
	runtime process {
		state_dir /srv/{env.PH_SET}
	}
	engine e {
		spark_home /{env.PH_SET}
	}
	queue a {env.PH_SET}
	environment lake {
		env NAME {env.PH_SET}
	}
	gateway etl {
		queue {env.PH_SET}
		directories d {env.PH_SET}
	}
}`)
	if err == nil {
		err = app.expand(zap.NewNop())
	}
	if err != nil {
		t.Fatal(err)
	}
	g := app.Gateways[0].Spec
	for what, got := range map[string]string{
		"redis": app.Redis.URL, "prefix": app.Redis.Prefix, "runtime": string(app.RuntimeRaw), "engine": app.Engines[0].SparkHome,
		"queue": app.Queues[1], "environment": app.Environments[0].Env["NAME"], "gateway's queue": g.Queue, "list": g.Directories[1],
	} {
		if !strings.Contains(got, "value") || strings.Contains(got, "{env") {
			t.Errorf("%s: %q", what, got)
		}
	}
}

// TestErrorsOfPlaceholdersNameOptions checks that errors name options as the Caddyfile does,
// whatever struct they are in.
func TestErrorsOfPlaceholdersNameOptions(t *testing.T) {
	for option, want := range map[string]string{
		"queue %s":                    "queues: ",
		"policy %s":                   "policy: ",
		"local_dir %s":                "local_dirs: ",
		"livy_keys %s":                "livy_keys: ",
		"engine e {\nlivy_home %s\n}": `engine "e": livy_home: `,
		"cluster c {\nmaster yarn\nconf_dir %s\n}":    `cluster "c": conf_dir: `,
		"environment v {\npy_files %s\n}":             `environment "v": py_files: `,
		"environment v {\nconf spark.x %s\n}":         `environment "v": conf: spark.x: `,
		"network n {\ndocker_network %s\n}":           `network "n": docker_network: `,
		"directory d {\nsource %s\n}":                 `directory "d": source: `,
		"fusion f {\ncpu_flags %s\n}":                 `fusion "f": cpu_flags: `,
		"history_server http://h {\nevent_logs %s\n}": "history_server: event_logs: ",
		"gateway g {\nlivy_client_conf %s\n}":         `gateway "g": livy_client_conf: `,
	} {
		app, err := readApp(t, "livy {\n"+strings.Replace(option, "%s", "{env.PH_UNSET}", 1)+"\n}")
		if err != nil {
			t.Fatal(err)
		}
		if err := app.expand(zap.NewNop()); err == nil || !strings.HasPrefix(err.Error(), want+"{env.PH_UNSET}") {
			t.Errorf("%s: error %v, want it to begin with %q", option, err, want)
		}
	}
}

func TestEmptyArguments(t *testing.T) {
	for name, text := range map[string]string{
		"redis":                 `redis "{$PH_UNSET}"`,
		"prefix":                "redis {\nprefix \"{$PH_UNSET}\"\n}",
		"on_exit":               `on_exit ""`,
		"queue":                 `queue a "{$PH_UNSET}"`,
		"engine":                `engine ""`,
		"image":                 "engine a {\nimage \"\"\n}",
		"master":                "cluster a {\nmaster \"\"\n}",
		"state_dir":             "runtime process {\nstate_dir \"\"\n}",
		"spark_blacklist":       "gateway a {\nspark_blacklist \"{$PH_UNSET}\"\n}",
		"identity":              "gateway a {\nidentity \"{$PH_UNSET:}\"\n}",
		"disable_routes":        "gateway a {\ndisable_routes \"\"\n}",
		"policy_rules, heredoc": "gateway a {\npolicy_rules <<X\n\nX\n}",
	} {
		_, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte("{\nlivy {\n"+text+"\n}\n}\n"), nil)
		option, _, _ := strings.Cut(name, ",")
		if err == nil || !strings.Contains(err.Error(), option+": its argument is empty") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, text := range []string{`livy_gateway ""`, "livy_gateway a {\nworkspace \"\"\n}"} {
		_, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(":80 {\n"+text+"\n}\n"), nil)
		if err == nil || !strings.Contains(err.Error(), "its argument is empty") {
			t.Errorf("%s: %v", text, err)
		}
	}
	app, err := readApp(t, "livy {\nqueue a\n}")
	if err != nil || len(app.Queues) != 1 {
		t.Errorf("%v, %v", app.Queues, err)
	}
}
