package upstream

import (
	_ "embed"
	"fmt"
	"maps"
	"strings"
)

// MetastoreMemory is the heap of a metastore that runs beside a Livy server, in bytes.
const MetastoreMemory = 256 << 20

// MetastorePort is the metastore's port where it has an address of its own.
const MetastorePort = 9083

var (
	//go:embed metastore/livy-env.sh
	metastoreStart string
	//go:embed metastore/metastore.sh
	metastoreRun string
	//go:embed metastore/Metastore.java
	metastoreProgram string
)

// WithMetastore returns the files with a metastore for the tables in dir, which the Livy server
// starts and which listens on host and port. Several drivers can use it at once; the database
// in dir can be opened by one process only. Without dir it returns the files as they are.
func WithMetastore(files map[string]string, dir, host string, port int) map[string]string {
	if dir == "" {
		return files
	}
	out := maps.Clone(files)
	out["livy-env.sh"] = metastoreStart
	out["Metastore.java"] = metastoreProgram
	out["metastore.sh"] = strings.NewReplacer(
		"@HEAP@", fmt.Sprint(MetastoreMemory>>20), "@DIR@", quote(dir), "@HOST@", quote(host), "@PORT@", fmt.Sprint(port),
	).Replace(metastoreRun)
	out[SparkDefaults] += text([]Entry{
		{Key: "spark.hadoop.hive.metastore.uris", Value: fmt.Sprintf("thrift://%s:%d", host, port)},
		// The first session may be faster than the metastore. The delay is a second.
		{Key: "spark.hadoop.hive.metastore.connect.retries", Value: "60"},
	})
	return out
}

// quote returns a word of a shell.
func quote(word string) string { return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'" }
