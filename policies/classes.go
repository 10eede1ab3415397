package policies

import (
	"regexp"
	"strings"
)

// className matches the name of a Java class.
var className = regexp.MustCompile(`^[\pL_$][\pL\p{Nd}_$]*(\.[\pL_$][\pL\p{Nd}_$]*)*$`)

const (
	classRule    = "must be the name of a Java class, such as com.example.Main"
	ownClassRule = "must not be a class of Spark, Hadoop or Livy themselves, other than org.apache.spark.examples.*"
)

// ownClasses are the packages of Spark's and Livy's own programs. Spark's
// launcher reads the arguments of some of them (the REPL, the SQL shell, the
// Thrift server, the Connect server) as options of spark-submit, where the last
// --proxy-user, --queue, --conf or --files wins over what the gateway set. Others
// submit a second application, or run any local script. Which ones do so changes
// from version to version, so that the packages are closed as a whole.
var ownClasses = []string{
	"org.apache.spark.", "org.apache.livy.", "org.apache.hadoop.", "org.apache.hive.",
	"scala.tools.", "py4j.",
}

const exampleClasses = "org.apache.spark.examples."

// badClass returns why a batch may not have this main class, or "".
func badClass(name string) string {
	if len(name) > 512 || !className.MatchString(name) {
		return classRule
	}
	if strings.HasPrefix(name, exampleClasses) {
		return ""
	}
	for _, prefix := range ownClasses {
		if strings.HasPrefix(name, prefix) {
			return ownClassRule
		}
	}
	return ""
}
