package caddymodule

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/livygateway/livygateway/internal/doctor"
	"github.com/livygateway/livygateway/internal/gateway"
)

func TestFileProblems(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"helpers.py", "venv.tar.gz", "sp ace.py"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	none := filepath.Join(dir, "none")
	docker, far := &DockerRuntime{Host: "unix:///run/docker.sock"}, &DockerRuntime{Host: "tcp://10.0.0.5:2376"}
	within := inContainer
	inContainer = func() bool { return false }
	t.Cleanup(func() { inContainer = within })
	process, static := &ProcessRuntime{}, &StaticRuntime{}
	for name, tt := range map[string]struct {
		catalog gateway.Catalog
		local   []string // local_dir
		process []string // what is wrong; a ! marks what keeps gateways from starting
		docker  []string
		far     []string
	}{
		"nothing is missing": {
			catalog: gateway.Catalog{
				Environments: []gateway.Environment{{
					Name: "e", Dir: dir, PyFiles: []string{"helpers.py", "sp ace.py", "hdfs:///x.py"}, Archives: []string{"venv.tar.gz#venv"},
				}},
				Directories: []gateway.Directory{{Name: "d", Type: "local", Source: dir, Path: dir}},
				Clusters:    []gateway.Cluster{{Name: "c", Master: "yarn", ConfDir: dir}, {Name: "s", Master: "spark://h:7077"}},
			},
			local: []string{dir},
		},
		"a file": {
			catalog: gateway.Catalog{Environments: []gateway.Environment{{Name: "e", Dir: dir, PyFiles: []string{"helper.py"}}}},
			process: []string{"environment e: py_files: " + dir + "/helper.py does not exist"},
			docker:  []string{"environment e: py_files: " + dir + "/helper.py does not exist"},
		},
		"a directory for a file": {
			catalog: gateway.Catalog{Environments: []gateway.Environment{{Name: "e", Jars: []string{"file://" + dir}}}},
			process: []string{"environment e: jars: " + dir + " is a directory"},
			// Outside of dir, a container has its image's files.
		},
		"an archive": {
			catalog: gateway.Catalog{Environments: []gateway.Environment{{Name: "e", Dir: dir, Archives: []string{"v.tar.gz#venv"}}}},
			process: []string{"!environment e: archives: " + dir + "/v.tar.gz does not exist"},
			docker:  []string{"!environment e: archives: " + dir + "/v.tar.gz does not exist"},
			far:     []string{"!environment e: archives: " + dir + "/v.tar.gz does not exist"}, // it is read here
		},
		"an environment's directory": {
			catalog: gateway.Catalog{Environments: []gateway.Environment{{Name: "e", Dir: none, Files: []string{"a", "b"}}}},
			process: []string{"!environment e: dir: " + none + " does not exist"},
			docker:  []string{"!environment e: dir: " + none + " does not exist"},
		},
		"the source of a directory": {
			catalog: gateway.Catalog{Directories: []gateway.Directory{{Name: "d", Type: "oss", Source: none, Path: "/none/mnt"}}},
			process: []string{"!directory d: path: /none/mnt does not exist"},
			docker:  []string{"!directory d: source: " + none + " does not exist"},
		},
		"an export of a file server": {
			catalog: gateway.Catalog{Directories: []gateway.Directory{{Name: "d", Type: "nas", Source: "nas:/e", Path: "/none/mnt"}}},
			process: []string{"!directory d: path: /none/mnt does not exist"},
		},
		"a cluster's configuration": {
			catalog: gateway.Catalog{Clusters: []gateway.Cluster{{Name: "c", Master: "yarn", ConfDir: filepath.Join(dir, "helpers.py")}}},
			process: []string{"!cluster c: conf_dir: " + dir + "/helpers.py is not a directory"},
			docker:  []string{"!cluster c: conf_dir: " + dir + "/helpers.py is not a directory"},
			far:     []string{"!cluster c: conf_dir: " + dir + "/helpers.py is not a directory"},
		},
		"a directory of jobs": {
			local: []string{dir, none}, process: []string{"local_dir: " + none + " does not exist"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			check := func(runtime Runtime, want []string) {
				app := &App{runtime: runtime, Catalog: tt.catalog}
				app.LocalDirs = tt.local
				var got []string
				for _, p := range app.fileProblems() {
					mark := ""
					if p.failed {
						mark = "!"
					}
					got = append(got, mark+p.entry+": "+p.text)
				}
				if !slices.Equal(got, want) {
					t.Errorf("%T: %q, want %q", runtime, got, want)
				}
			}
			check(process, tt.process)
			check(docker, tt.docker)
			check(far, tt.far)
			check(static, nil)
		})
	}
}

// The engine of a Caddy in a container may see other files: the doctor says so, and the log is
// silent about all but what Caddy itself reads.
func TestFilesSeenFromAContainer(t *testing.T) {
	within := inContainer
	inContainer = func() bool { return true }
	t.Cleanup(func() { inContainer = within })
	core, logs := observer.New(zap.WarnLevel)
	app := &App{runtime: &DockerRuntime{Host: "unix:///run/docker.sock"}, log: zap.New(core)}
	app.Environments = []gateway.Environment{{Name: "e", Dir: "/none/e"}}
	app.Clusters = []gateway.Cluster{{Name: "c", Master: "yarn", ConfDir: "/none/conf"}}
	app.warnOfFiles()
	if all := logs.All(); len(all) != 1 || all[0].ContextMap()["in"] != "cluster c" {
		t.Errorf("logged %v", all)
	}
	got := (&patient{app: app}).examineFiles()
	if len(got) != 2 || got[0].Status != doctor.Warn || !strings.Contains(got[0].Summary, "in a container") || got[1].Status != doctor.Fail {
		t.Errorf("%+v", got)
	}
}

// What is missing is in the log of a load (and so of caddy validate) and in the doctor's report.
func TestMissingFilesAreReported(t *testing.T) {
	core, logs := observer.New(zap.WarnLevel)
	app := &App{runtime: &ProcessRuntime{}, log: zap.New(core)}
	app.LocalDirs = []string{"/none/jobs"}
	app.Environments = []gateway.Environment{{Name: "e", Dir: "/none/e"}}
	app.warnOfFiles()
	if n := logs.FilterMessageSnippet("cannot be used").Len(); n != 2 {
		t.Errorf("logged %d times, want twice: %v", n, logs.All())
	}
	p := &patient{app: app}
	got := p.examineFiles()
	if len(got) != 2 || got[0].Status != doctor.Fail || got[1].Status != doctor.Warn ||
		!strings.Contains(got[0].Summary, "/none/e does not exist: gateways that use it do not start") {
		t.Errorf("%+v", got)
	}
}
