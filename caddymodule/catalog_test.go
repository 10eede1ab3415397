package caddymodule

import (
	"reflect"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/livygateway/livygateway/internal/gateway"
)

const catalogText = `livy {
	engine spark-3.5 {
		livy 0.8.0
		spark 3.5.8
		scala 2.12
		java 17
		image i
	}
	cpu 1 2 8
	memory 4Gi 32Gi
	queue root.etl
	cluster lake {
		master yarn
		deploy_mode cluster
		conf_dir /etc/hadoop
	}
	environment analytics {
		dir /srv/env
		py_files a.zip b.py
		jars x.jar
		files f.txt
		archives venv.tar.gz#venv
		conf spark.sql.ansi.enabled true
		conf spark.executor.defaultJavaOptions=-Da=b
		env STAGE prod
	}
	network lake {
		docker_network lake_net
		vpc vpc-1
	}
	directory warehouse {
		type nas
		source nas.internal:/export
		path /mnt/warehouse
		vpc vpc-1
		options nfsvers=3
		read_only
	}
	directory tables {
		type local
		source /srv/tables
		path /mnt/tables
		warehouse
	}
	fusion comet
	fusion own {
		jars local:/own.jar
		conf spark.plugins own.Plugin
		cpu_flags avx512f
		spark 3.4 3.5
	}
}`

func readApp(t *testing.T, text string) (*App, error) {
	t.Helper()
	app := new(App)
	return app, app.UnmarshalCaddyfile(caddyfile.NewTestDispenser(text))
}

func TestCatalogOfACaddyfile(t *testing.T) {
	app, err := readApp(t, catalogText)
	if err != nil {
		t.Fatal(err)
	}
	got := app.Catalog.WithProfiles()
	if err := got.Validate(); err != nil {
		t.Error(err)
	}
	want := gateway.Catalog{
		Engines:  []gateway.Engine{{Name: "spark-3.5", Livy: "0.8.0", Spark: "3.5.8", Scala: "2.12", Java: "17", Image: "i"}},
		CPUs:     []int{1, 2, 8},
		Memories: []string{"4Gi", "32Gi"},
		Queues:   []string{"root.etl"},
		Clusters: []gateway.Cluster{{Name: "lake", Master: "yarn", DeployMode: "cluster", ConfDir: "/etc/hadoop"}},
		Environments: []gateway.Environment{{
			Name: "analytics", Dir: "/srv/env", PyFiles: []string{"a.zip", "b.py"}, Jars: []string{"x.jar"}, Files: []string{"f.txt"},
			Archives: []string{"venv.tar.gz#venv"},
			Conf:     map[string]string{"spark.sql.ansi.enabled": "true", "spark.executor.defaultJavaOptions": "-Da=b"},
			Env:      map[string]string{"STAGE": "prod"},
		}},
		Networks: []gateway.Network{{Name: "lake", DockerNetwork: "lake_net", VPC: "vpc-1"}},
		Directories: []gateway.Directory{{
			Name: "warehouse", Type: "nas", Source: "nas.internal:/export", Path: "/mnt/warehouse", VPC: "vpc-1", Options: "nfsvers=3", ReadOnly: true,
		}, {
			Name: "tables", Type: "local", Source: "/srv/tables", Path: "/mnt/tables", Warehouse: true,
		}},
		Fusion: []gateway.Fusion{gateway.Comet(), {
			Name: "own", Jars: []string{"local:/own.jar"}, Conf: map[string]string{"spark.plugins": "own.Plugin"},
			CPUFlags: []string{"avx512f"}, Spark: []string{"3.4", "3.5"},
		}},
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("catalog\n%+v\nwant\n%+v", got, want)
	}
}

func TestBadCatalogEntries(t *testing.T) {
	for block, want := range map[string]string{
		"cpu two":                              `"two" is not a number of cores`,
		"cpu":                                  "wrong argument count",
		"cluster":                              "wrong argument count",
		"cluster a b":                          "wrong argument count",
		"cluster a {\nmaster x\nmaster y\n}":   `option "master" of cluster is given twice`,
		"network a {\nspeed 1\n}":              `unknown option "speed" of network`,
		"environment a {\nconf spark.x\n}":     "wrong argument count",
		"environment a {\nenv A 1\nenv A 2\n}": `env "A" of environment is given twice`,
		"directory a {\nread_only yes\n}":      "wrong argument count",
	} {
		_, err := readApp(t, "livy {\n"+block+"\n}")
		if err == nil || !strings.Contains(strings.ToLower(err.Error()), strings.ToLower(want)) {
			t.Errorf("%s: %v; want %q", block, err, want)
		}
	}
}
