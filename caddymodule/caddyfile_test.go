package caddymodule

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/caddyauth"

	"github.com/livygateway/livygateway/internal/golden"
)

// TestAdapt compares the JSON that each testdata/*.caddyfile is adapted to with the file next to
// it.
func TestAdapt(t *testing.T) {
	files, err := filepath.Glob("testdata/*.caddyfile")
	if err != nil || len(files) == 0 {
		t.Fatalf("no test data: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got, warnings, err := caddyconfig.GetAdapter("caddyfile").Adapt(text, map[string]any{"filename": file})
			if err != nil || len(warnings) > 0 {
				t.Fatalf("%v, warnings %v", err, warnings)
			}
			var pretty bytes.Buffer
			if err := json.Indent(&pretty, got, "", "\t"); err != nil {
				t.Fatal(err)
			}
			pretty.WriteByte('\n')
			golden.File(t, strings.TrimSuffix(file, ".caddyfile")+".json", pretty.String())
		})
	}
}

func TestCaddyfileErrors(t *testing.T) {
	app := func(lines string) string { return "{\n\tlivy {\n" + lines + "\n\t}\n}\n" }
	handler := func(lines string) string { return ":80 {\n" + lines + "\n}\n" }
	for _, tc := range []struct{ name, text, want string }{
		{"unknown option", app("nonsense"), `unknown option "nonsense"`},
		{"option twice", app("on_exit keep\non_exit stop"), `"on_exit" is given twice`},
		{"unknown runtime", app("runtime podman"), "livy.runtimes.podman"},
		{"unknown option of a runtime", app("runtime process {\nport 1\n}"), `unknown option "port"`},
		{"users without one", app("runtime process {\nusers\n}"), "wrong argument count"},
		{"users twice", app("runtime process {\nusers a\nusers b\n}"), `option "users" is given twice`},
		{"runtime option without value", app("runtime process {\nstate_dir\n}"), "wrong argument count"},
		{"two Redis", app("redis a b"), "wrong argument count"},
		{"unknown option of redis", app("redis {\ndb 1\n}"), `unknown option "db" of redis`},
		{"engine without name", app("engine {\nimage x\n}"), "wrong argument count"},
		{"unknown option of an engine", app("engine a {\ncolour red\n}"), `unknown option "colour" of engine`},
		{"engine option twice", app("engine a {\nimage x\nimage y\n}"), `"image" of engine is given twice`},
		{"bad size", app("max_body much"), "max_body"},
		{"negative size", app("max_code -1"), "max_code"},
		{"flag with a value", app("client_identity yes"), "wrong argument count"},
		{"bad duration", app("start_timeout soon"), "start_timeout"},
		{"history server twice", app("history_server http://a\nhistory_server http://b"), `"history_server" is given twice`},
		{"unknown option of a history server", app("history_server http://a {\nport 1\n}"), `unknown option "port" of history_server`},
		{"queue without names", app("queue"), "wrong argument count"},
		{"gateway without name", app("gateway {\ncpu 1\n}"), "wrong argument count"},
		{"unknown option of a declared gateway", app("gateway a {\ncolour red\n}"), `unknown option "colour" of gateway`},
		{"option of a declared gateway twice", app("gateway a {\ncpu 1\ncpu 2\n}"), `option "cpu" of gateway is given twice`},
		{"cores that are no number", app("gateway a {\ncpu two\n}"), `cpu: "two" is not a number`},
		{"idle minutes that are no number", app("gateway a {\nauto_stop 1h\n}"), `auto_stop: "1h" is not a number`},
		{"two gateways in a directive", handler("livy_gateway a b"), "wrong argument count"},
		{"unknown option of a gateway", handler("livy_gateway a {\ncolour red\n}"), `unknown option "colour"`},
		{"API with an argument", handler("livy_api / a"), "wrong argument count"},
		{"unknown option of the API", handler("livy_api {\npublic\n}"), `unknown option "public" of livy_api`},
		{"option of the API twice", handler("livy_api {\nuser a\nuser b\n}"), `option "user" of livy_api is given twice`},
		{"role that there is not", app("roles {\nowner user ann\n}"), "must be viewer, member, operator or admin"},
		{"role of nobody", app("roles {\nworkspace a {\nviewer user\n}\n}"), "viewer user ann group platform"},
		{"role without a word before the name", app("roles {\nadmin ann\n}"), `"ann" must follow user or group`},
		{"workspace without a name", app("roles {\nworkspace {\nviewer user *\n}\n}"), "wrong argument count"},
		{"unknown option of self-service", app("tokens {\nself_service {\nqueue a\n}\n}"), `unknown option "queue" of self_service`},
		{"tokens that are no number", app("tokens {\nself_service {\nmax_tokens 0\n}\n}"), `max_tokens: "0"`},
		{"health with options", handler("livy_health /healthz {\npublic\n}"), "no options"},
		{"workspace without gateway", handler("livy_gateway {\nworkspace team\n}"), "workspace needs a gateway name"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			_, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(tc.text), nil)
			if err == nil || !strings.Contains(err.Error(), tc.want) {
				t.Errorf("error %v, want one with %q", err, tc.want)
			}
		})
	}
}
