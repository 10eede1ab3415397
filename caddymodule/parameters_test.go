package caddymodule

import (
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/gateway"
)

// TestEveryParameterIsAnOption checks that each option of a gateway in the Caddyfile sets its
// field and no other.
func TestEveryParameterIsAnOption(t *testing.T) {
	for _, p := range gateway.Parameters() {
		value := " 7"
		if _, isFlag := p.In(new(gateway.Spec)).(*bool); isFlag {
			value = ""
		}
		app, err := readApp(t, "livy {\ngateway etl {\n"+p.Option+value+"\n}\n}")
		if err != nil {
			t.Errorf("%s: %v", p.Option, err)
			continue
		}
		text, err := json.Marshal(app.Gateways[0].Spec)
		if err != nil {
			t.Fatal(err)
		}
		var fields map[string]any
		if err := json.Unmarshal(text, &fields); err != nil {
			t.Fatal(err)
		}
		maps.DeleteFunc(fields, func(_ string, v any) bool { return v == "" || v == 0.0 || v == false })
		if got := slices.Sorted(maps.Keys(fields)); !slices.Equal(got, slices.Sorted(slices.Values([]string{"name", p.Field}))) {
			t.Errorf("%s sets %v", p.Option, got)
		}
	}
}

// TestOldNamesInJSON checks that a JSON configuration of the previous version has the same
// meaning.
func TestOldNamesInJSON(t *testing.T) {
	const old = `{
		"engines": [{"name":"e","livy_home":"/l","spark_home":"/s","java_home":"/j","python":"p"}],
		"clusters": [{"name":"c","master":"yarn","deploy_mode":"cluster","conf_dir":"/etc/hadoop"}],
		"environments": [{"name":"v","dir":"/srv","py_files":["a.py"],"env":{"livy_home":"/kept"}}],
		"networks": [{"name":"n","docker_network":"net"}],
		"directories": [{"name":"d","type":"local","source":"/d","path":"/mnt/d","read_only":true}],
		"fusion": [{"name":"f","cpu_flags":["avx2"]}],
		"max_body": 7, "local_dirs": ["/data"], "policy": "strict"
	}`
	want := gateway.Catalog{
		Engines:      []gateway.Engine{{Name: "e", LivyHome: "/l", SparkHome: "/s", JavaHome: "/j", Python: "p"}},
		Clusters:     []gateway.Cluster{{Name: "c", Master: "yarn", DeployMode: "cluster", ConfDir: "/etc/hadoop"}},
		Environments: []gateway.Environment{{Name: "v", Dir: "/srv", PyFiles: []string{"a.py"}, Env: map[string]string{"livy_home": "/kept"}}},
		Networks:     []gateway.Network{{Name: "n", DockerNetwork: "net"}},
		Directories:  []gateway.Directory{{Name: "d", Type: "local", Source: "/d", Path: "/mnt/d", ReadOnly: true}},
		Fusion:       []gateway.Fusion{{Name: "f", CPUFlags: []string{"avx2"}}},
	}
	var app App
	if err := json.Unmarshal([]byte(old), &app); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(app.Catalog, want) || app.MaxBody != 7 || app.Mode != "strict" || len(app.LocalDirs) != 1 {
		t.Errorf("%+v", app)
	}
	text, err := json.Marshal(&app)
	if err != nil || !strings.Contains(string(text), `"livyHome":"/l"`) || strings.Contains(string(text), `"spark_home"`) {
		t.Errorf("written: %s, %v", text, err)
	}
	var again App
	if err := json.Unmarshal(text, &again); err != nil || !reflect.DeepEqual(app, again) {
		t.Errorf("read again: %+v, %v", again, err)
	}
	for bad, want := range map[string]string{
		`{"engines":[{"name":"e","livy_home":"/a","livyHome":"/b"}]}`: "engines: livyHome and livy_home are the same field",
		`{"engines":[{"name":"e","livyhouse":"/a"}]}`:                 `unknown field "livyhouse"`,
		`{"engines":{"name":"e"}}`:                                    "cannot unmarshal object",
		`{"speed":1}`:                                                 `unknown field "speed"`,
		`[]`:                                                          "cannot unmarshal array",
	} {
		if err := json.Unmarshal([]byte(bad), new(App)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", bad, err, want)
		}
	}
}
