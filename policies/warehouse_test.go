package policies

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/livy"
)

// TestWarehouse: whatever leads to another warehouse is ignored under all its names, and what
// only tunes reading and writing tables is not.
func TestWarehouse(t *testing.T) {
	p, err := Compile(Settings{Warehouse: &Warehouse{Conf: map[string]string{
		CatalogKey: "hive", WarehouseKey: "file:/mnt/tables/lc-1/tables",
	}}, HiveSessions: true})
	if err != nil {
		t.Fatal(err)
	}
	ours := []string{CatalogKey, WarehouseKey}
	theirs := []string{
		MetastoreKey, "spark.hive.metastore.uris", "spark.hadoop.metastore.thrift.uris",
		"spark.hadoop.hive.metastore.warehouse.dir", "spark.hive.metastore.warehouse.dir",
		"spark.hadoop.javax.jdo.option.ConnectionURL", "spark.hadoop.javax.jdo.option.ConnectionPassword",
		"spark.sql.hive.metastore.version", "spark.sql.hive.metastore.jars",
	}
	free := []string{"spark.sql.hive.metastorePartitionPruning", "spark.hadoop.hive.exec.dynamic.partition.mode", "spark.sql.catalog.lake"}
	for _, kind := range []livy.Kind{livy.KindSession, livy.KindBatch} {
		conf := map[string]string{}
		for _, key := range slices.Concat(ours, theirs, free) {
			conf[key] = "x"
			if !slices.Contains(free, key) && !LeadsToWarehouse(key) {
				t.Errorf("%s does not lead to a warehouse", key)
			}
		}
		body := map[string]any{"conf": conf}
		if kind == livy.KindBatch {
			body["file"] = "hdfs:///job.py"
		}
		text, err := json.Marshal(body)
		if err != nil {
			t.Fatal(err)
		}
		result, err := p.Create(kind, "", "", strings.NewReader(string(text)))
		if err != nil {
			t.Fatal(err)
		}
		var sent struct{ Conf map[string]string }
		if err := json.Unmarshal(result.Body, &sent); err != nil {
			t.Fatal(err)
		}
		for _, key := range theirs {
			at := slices.IndexFunc(result.Report.Ignored, func(e Entry) bool { return e.Key == key })
			if _, there := sent.Conf[key]; there || at < 0 || result.Report.Ignored[at].Source != "gateway warehouse" {
				t.Errorf("%s %s: sent %v, ignored %+v", kind, key, there, result.Report.Ignored)
			}
		}
		if sent.Conf[CatalogKey] != "hive" || sent.Conf[WarehouseKey] != "file:/mnt/tables/lc-1/tables" {
			t.Errorf("%s: the gateway's own: %v", kind, sent.Conf)
		}
		for _, key := range free {
			if sent.Conf[key] != "x" {
				t.Errorf("%s: %s was dropped", kind, key)
			}
		}
	}
}

func TestWarehouseAgainstAnEnvironment(t *testing.T) {
	_, err := Compile(Settings{
		Warehouse:   &Warehouse{Conf: map[string]string{WarehouseKey: "file:/mnt/tables"}},
		Environment: &Environment{Name: "e", Conf: map[string]string{WarehouseKey: "s3a://lake"}},
	})
	if err == nil || !strings.Contains(err.Error(), "is also set by environment e") {
		t.Errorf("%v", err)
	}
}
