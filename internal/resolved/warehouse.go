package resolved

import (
	"fmt"
	"path"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/policies"
	"github.com/livygateway/livygateway/upstream"
)

// alone reports whether jobs run beside Livy, and no cluster's configuration names a metastore.
func (r *Gateway) alone() bool { return r.Local() && r.Cluster.Name == "" }

// ownWarehouse returns the gateway's own directory in the directory that it names. Gateways
// share no warehouse: its database can be opened by one metastore only, and one gateway's jobs
// must not read another one's tables. The id stays when a gateway is renamed.
func (r *Gateway) ownWarehouse(id string) gateway.Directory {
	d := r.Warehouse
	if d.Name != "" {
		d.Source, d.Path = path.Join(d.Source, id), path.Join(d.Path, id)
	}
	return d
}

// warehouse returns what the policy needs to know; nil if the gateway keeps no tables.
func (r *Gateway) warehouse(id string) *policies.Warehouse {
	if r.Spec.Warehouse == "" {
		return nil
	}
	conf := map[string]string{policies.CatalogKey: "hive"}
	if own := r.ownWarehouse(id); own.Name != "" {
		// The runtime puts the metastore's address, which it chooses, into spark-defaults.conf.
		conf[policies.WarehouseKey] = "file:" + own.Path + "/tables"
	} else {
		conf[policies.MetastoreKey] = r.Spec.Metastore()
	}
	return &policies.Warehouse{Conf: conf}
}

// checkWarehouse returns the first setting that contradicts the gateway's warehouse.
func (r *Gateway) checkWarehouse() error {
	if r.Spec.Warehouse == "" {
		return nil
	}
	url := r.Spec.Metastore()
	if url == "" && !r.Local() {
		return gateway.Invalid("warehouse", r.Spec.Warehouse, fmt.Sprintf(
			"is a directory, which only jobs beside the Livy server can use; jobs run on %s: name a metastore as thrift://HOST:PORT", r.Master))
	}
	if v := r.LivyConf(upstream.HiveKey); v != "" && v != "true" {
		return gateway.Invalid(upstream.LivyConf, upstream.HiveKey, "must be true, or not set, if the gateway has a warehouse")
	}
	for _, file := range []struct {
		name    string
		entries []upstream.Entry
	}{{upstream.SparkDefaults, r.conf.Spark}, {upstream.LivyClientConf, r.conf.LivyClient}} {
		for _, e := range file.entries {
			if !r.leadsElsewhere(e.Key) {
				continue
			}
			return gateway.Invalid(fmt.Sprintf("%s line %d", file.name, e.Line), e.Key,
				"must not be set if the gateway has a warehouse, which determines it")
		}
	}
	if url != "" && r.alone() && upstream.Lookup(r.conf.Spark, policies.WarehouseKey) == "" {
		return gateway.Invalid("warehouse", url,
			"needs spark.sql.warehouse.dir in spark-defaults.conf: the URI of the directory with the files of the tables")
	}
	return nil
}

// leadsElsewhere reports whether a setting in a file of the gateway contradicts its warehouse. A
// metastore of somebody else may need further settings, such as a Kerberos principal.
func (r *Gateway) leadsElsewhere(key string) bool {
	if r.Spec.Metastore() == "" {
		return policies.LeadsToWarehouse(key)
	}
	switch key {
	case policies.CatalogKey, policies.MetastoreKey, "spark.hive.metastore.uris", "spark.hadoop.javax.jdo.option.ConnectionURL":
		return true
	}
	return false
}
