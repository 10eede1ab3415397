// Package require is how tests say what they need of a machine: a Docker
// engine, a redis-server, a Livy distribution. Where it is not there the test
// is skipped by name with a reason; where the environment variable REQUIRE
// names it (REQUIRE=docker,redis), the test fails instead.
package require

import (
	"os"
	"strings"
	"testing"
)

// Names of what tests may need.
const (
	Docker     = "docker"     // a Docker engine that answers
	Dockerd    = "dockerd"    // the program dockerd, to run another Docker engine
	Image      = "image"      // the engine image (make image)
	OtherImage = "otherimage" // an engine image of another Spark (scripts/build-engine-image --spark 3.4.4)
	Redis      = "redis"      // the redis-server program
	Livy       = "livy"       // any real Livy and Spark (make engine)
	Livy080    = "livy080"    // a Livy 0.8.0 distribution: interactive sessions
	Airflow    = "airflow"    // Apache Airflow with the Livy provider (make clients)
	Sparkmagic = "sparkmagic" // sparkmagic's kernels (make clients)
	PyLivy     = "pylivy"     // the clients of Livy in Python (make clients)
	DBT        = "dbt"        // dbt with its adapter for Livy (make clients, where there is a Python 3.10)
	LivyJava   = "livyjava"   // Livy's own client for Java (make clients)
	LivyScala  = "livyscala"  // Livy's own client for Scala (make clients)
	Web        = "web"        // the programs curl and wget
	OpenAPI    = "openapi"    // schemathesis and openapi-python-client (make clients)
	Managed    = "managed"    // the managed product's SDK for Python (make clients)
	LDAP       = "ldap"       // the slapd program
	Bucket     = "bucket"     // rclone, FUSE and gofakes3: an object store that can be mounted
	Mount      = "mount"      // the right to mount file systems: root, outside of most containers
	Browser    = "browser"    // the chromium program
	Console    = "console"    // npm's packages that check the web console (make console)
	Yarn       = "yarn"       // a YARN on one machine (make yarn)
	Kubernetes = "kubernetes" // a Kubernetes of one node (make kubernetes)
	Xcaddy     = "xcaddy"     // the xcaddy program
	Actionlint = "actionlint" // the actionlint program
	Prometheus = "prometheus" // the programs prometheus and promtool
	Judge      = "judge"      // another Spark and a Java compiler, to ask Spark what reaches it (make judge)
)

// Need skips the test, or fails it when REQUIRE lists name, unless available.
// how describes what is missing and how to get it.
func Need(t testing.TB, name string, available bool, how string) {
	t.Helper()
	if available {
		return
	}
	if Required(name) {
		t.Fatalf("needs %s (REQUIRE names it): %s", name, how)
	}
	t.Skipf("needs %s: %s", name, how)
}

// Required reports whether the environment variable REQUIRE lists name.
func Required(name string) bool {
	for need := range strings.SplitSeq(os.Getenv("REQUIRE"), ",") {
		if strings.TrimSpace(need) == name {
			return true
		}
	}
	return false
}
