package policies

import (
	"regexp"
	"strings"
)

// builtIn is the source of the guards that apply with any settings.
const builtIn = "built-in"

// badKey returns why a key may not be in conf, or "". Livy passes a batch's settings to
// spark-submit as KEY=VALUE, which is split at the first "=", so a key with "=" becomes another
// key.
func badKey(key string) string {
	if key == "" {
		return "must not be empty"
	}
	if len(key) > 512 {
		return "must be at most 512 characters"
	}
	for i := 0; i < len(key); i++ {
		switch c := key[i]; {
		case c == '=':
			return "must not contain ="
		case c <= ' ' || c == 0x7f:
			return "must not contain whitespace or control characters"
		case c > 0x7f:
			return "must be ASCII"
		}
	}
	return ""
}

// reservedPrefixes are those of Livy and the gateway. Livy's official clients send keys such as
// livy.uri with every session, so such keys are dropped, not refused.
var reservedPrefixes = []string{
	"livy.", "spark.__livy__.", "spark.livy.", "spark.livygateway.",
	// Labels by which the gateway finds its pods and network policies know its servers.
	"spark.kubernetes.driver.label.app.kubernetes.io/", "spark.kubernetes.executor.label.app.kubernetes.io/",
	"spark.kubernetes.driver.label.livygateway", "spark.kubernetes.executor.label.livygateway",
	"spark.kubernetes.driver.service.label.livygateway",
}

// internalKeys lists settings that Spark sets itself and reads elsewhere: set by a client they
// would add jars and files to executors, or misrepresent the application. A key that ends with a
// dot stands for all keys with that prefix.
var internalKeys = newNames(
	"spark.app.initial.", "spark.app.id", "spark.app.startTime", "spark.app.submitTime", "spark.app.attempt.id",
	"spark.driver.appUIAddress", "spark.driver.resourcesFile", "spark.executor.id", "spark.worker.resourcesFile",
	"spark.repl.class.", "spark.yarn.app.", "spark.yarn.cache.", "spark.yarn.isPython", "spark.yarn.secondary.jars",
	"spark.yarn.user.jar", "spark.kubernetes.submitInDriver", "spark.kubernetes.resource.type",
	"spark.org.apache.hadoop.yarn.server.webproxy.",
)

// reserved returns why clients may not set a key that is internal to Livy or Spark, or "".
func (p *Policy) reserved(key string) string {
	for _, prefix := range reservedPrefixes {
		if strings.HasPrefix(key, prefix) && !p.livyKeys[key] {
			return "belongs to Livy and the gateway"
		}
	}
	if internalKeys.has(key) {
		return "is internal to Spark, which sets it itself"
	}
	return ""
}

const userRule = "must be a user name of at most 128 letters, digits and _ . @ -, beginning with a letter or underscore"

var userName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.@-]{0,127}$`)

// sessionKinds are the kinds that Livy knows, with the name that it settles on.
var sessionKinds = map[string]string{
	"spark": "spark", "scala": "spark", "pyspark": "pyspark", "python": "pyspark",
	"sparkr": "sparkr", "r": "sparkr", "sql": "sql", "shared": "shared",
}

const kindRule = "must be one of spark, pyspark, sparkr, sql, shared (or scala, python, r)"
