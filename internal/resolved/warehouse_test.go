package resolved

import (
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/upstream"
)

func withTables() *Settings {
	s := newSettings()
	s.Catalog.Directories = []gateway.Directory{{Name: "tables", Type: "local", Source: "/srv/tables", Path: "/mnt/tables", Warehouse: true}}
	return s
}

// TestWarehouse: what a server is started with, and what its jobs get.
func TestWarehouse(t *testing.T) {
	const url = "thrift://hms:9083"
	for name, tt := range map[string]struct {
		spec            gateway.Spec
		source, path    string
		hive, dir, uris string // of the server, and of a job
	}{
		"none":        {spec: gateway.Spec{}},
		"a directory": {gateway.Spec{Warehouse: "tables"}, "/srv/tables/lc-1", "/mnt/tables/lc-1", "true", "file:/mnt/tables/lc-1/tables", ""},
		"a metastore": {gateway.Spec{Warehouse: url, SparkDefaults: "spark.sql.warehouse.dir s3a://lake/tables"}, "", "", "true", "", url},
		"on a cluster": {
			gateway.Spec{Warehouse: url, Cluster: "lake", SparkDefaults: "spark.hadoop.hive.metastore.sasl.enabled true"},
			"", "", "true", "", url,
		},
	} {
		t.Run(name, func(t *testing.T) {
			tt.spec.Name = "etl"
			r := New(withTables(), tt.spec)
			if err := r.Check(Facts{ID: "lc-1"}); err != nil {
				t.Fatal(err)
			}
			l, err := r.Launch(Facts{ID: "lc-1"})
			if err != nil || l.Warehouse.Source != tt.source || l.Warehouse.Path != tt.path {
				t.Errorf("warehouse %+v, %v", l.Warehouse, err)
			}
			conf, err := livy.ParseProperties(l.Files[upstream.LivyConf])
			if got := upstream.Lookup(conf, upstream.HiveKey); err != nil || got != tt.hive {
				t.Errorf("livy.conf: %q, %v", got, err)
			}
			p, err := r.Policy(Facts{ID: "lc-1"}, "", "")
			if err != nil {
				t.Fatal(err)
			}
			result, err := p.Create(livy.KindSession, "", "", strings.NewReader(`{"conf":{"spark.sql.catalogImplementation":"hive"}}`))
			if err != nil {
				t.Fatal(err)
			}
			body := string(result.Body)
			for key, want := range map[string]string{"spark.sql.warehouse.dir": tt.dir, "spark.hadoop.hive.metastore.uris": tt.uris} {
				if has := strings.Contains(body, `"`+key+`":"`+want+`"`); has != (want != "") {
					t.Errorf("%s: want %q in %s", key, want, body)
				}
			}
			if ignored := len(result.Report.Ignored) > 0; ignored != (tt.spec.Warehouse == "") {
				t.Errorf("asking for Hive: ignored %+v", result.Report.Ignored)
			}
		})
	}
}

func TestWarehouseContradicted(t *testing.T) {
	const url = "thrift://hms:9083"
	for name, tt := range map[string]struct {
		spec gateway.Spec
		want string
	}{
		"a directory for a cluster":   {gateway.Spec{Warehouse: "tables", Cluster: "lake"}, "jobs run on yarn: name a metastore"},
		"a directory far from Spark":  {gateway.Spec{Warehouse: "tables", Engine: "remote"}, "jobs run on spark://m:7077"},
		"no Hive in sessions":         {gateway.Spec{Warehouse: "tables", LivyConf: "livy.repl.enable-hive-context false"}, "must be true"},
		"another directory":           {gateway.Spec{Warehouse: "tables", SparkDefaults: "spark.x y\nspark.sql.warehouse.dir /x"}, "spark-defaults.conf line 2"},
		"another metastore":           {gateway.Spec{Warehouse: "tables", SparkDefaults: "spark.hadoop.hive.metastore.uris thrift://x:1"}, "spark-defaults.conf line 1"},
		"another one in Livy's file":  {gateway.Spec{Warehouse: "tables", LivyClientConf: "spark.hive.metastore.uris thrift://x:1"}, "livy-client.conf line 1"},
		"two metastores":              {gateway.Spec{Warehouse: url, SparkDefaults: "spark.hadoop.hive.metastore.uris thrift://x:1"}, "spark-defaults.conf line 1"},
		"no place for files":          {gateway.Spec{Warehouse: url}, "needs spark.sql.warehouse.dir"},
		"one that is not in the list": {gateway.Spec{Warehouse: "x"}, "must be one of the configured directories with the option warehouse: tables"},
	} {
		tt.spec.Name = "etl"
		err := New(withTables(), tt.spec).Check(Facts{ID: "lc-1"})
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s: %v, want %q", name, err, tt.want)
		}
	}
}

// TestWarehouseOfAnOlderServer: a server that was started before there were warehouses needs no
// restart until somebody sets one.
func TestWarehouseOfAnOlderServer(t *testing.T) {
	launched := New(withTables(), gateway.Spec{Name: "etl"}).Fingerprints()
	delete(launched, "warehouse")
	if p := New(withTables(), gateway.Spec{Name: "etl"}).Pending(launched); len(p) > 0 {
		t.Errorf("pending %v", p)
	}
	if p := New(withTables(), gateway.Spec{Name: "etl", Warehouse: "tables"}).Pending(launched); len(p) != 1 || p[0] != "warehouse" {
		t.Errorf("pending %v", p)
	}
}
