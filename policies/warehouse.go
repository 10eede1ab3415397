package policies

import "strings"

// Warehouse describes where a gateway's tables are kept.
type Warehouse struct {
	// Conf are the settings of every job. Clients cannot set any other one that leads to
	// another warehouse or metastore; see LeadsToWarehouse.
	Conf map[string]string
}

const (
	warehouseRule   = "the gateway's warehouse"
	warehouseSource = "gateway warehouse"
)

// CatalogKey selects where Spark keeps the definitions of tables: hive or in-memory.
const CatalogKey = "spark.sql.catalogImplementation"

// WarehouseKey is the directory of new databases and tables.
const WarehouseKey = "spark.sql.warehouse.dir"

// MetastoreKey is the URL of the metastore of jobs.
const MetastoreKey = "spark.hadoop.hive.metastore.uris"

// metastoreFamilies are the prefixes of settings that determine the metastore. Hive 3 has names
// without hive.
var metastoreFamilies = []string{
	"spark.hadoop.hive.metastore.", "spark.hive.metastore.", "spark.sql.hive.metastore.",
	"spark.hadoop.javax.jdo.", "spark.hadoop.metastore.",
}

// LeadsToWarehouse reports whether a setting determines where tables and their definitions are.
func LeadsToWarehouse(key string) bool {
	if key == WarehouseKey || key == CatalogKey {
		return true
	}
	for _, prefix := range metastoreFamilies {
		if strings.HasPrefix(key, prefix) {
			return true
		}
	}
	return false
}

// addWarehouse denies what would lead a job to another warehouse than the gateway's.
func (d *denials) addWarehouse() {
	const rule = warehouseRule + " determines it"
	d.addKey(WarehouseKey, rule, warehouseSource)
	for _, prefix := range metastoreFamilies {
		d.addPrefix(prefix, rule, warehouseSource)
	}
}
