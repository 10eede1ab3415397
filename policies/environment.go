package policies

import "strings"

// envPrefixes are the settings that carry environment variables, of a driver or
// of executors: what follows is the variable's name.
var envPrefixes = []string{
	"spark.executorEnv.", "spark.yarn.appMasterEnv.", "spark.kubernetes.driverEnv.", "spark.mesos.driverEnv.",
	"spark.kubernetes.driver.secretKeyRef.", "spark.kubernetes.executor.secretKeyRef.",
}

// envVariable returns the environment variable that a key sets; "" if it sets none.
func envVariable(key string) string {
	for _, prefix := range envPrefixes {
		if name, ok := strings.CutPrefix(key, prefix); ok {
			return name
		}
	}
	return ""
}

// steering are environment variables, by their beginnings, from which Spark,
// Hadoop, the JVM or the loader take settings: memory and cores
// (SPARK_EXECUTOR_MEMORY), Java options (SPARK_JAVA_OPT_0, _JAVA_OPTIONS), the
// user (HADOOP_USER_NAME, KRB5CCNAME), configuration directories, class and library
// paths.
var steering = []string{
	"SPARK_", "JAVA_", "_JAVA_", "JDK_", "IBM_JAVA_", "OPENJ9_", "HADOOP_", "YARN_", "HDFS_", "LD_", "CLASSPATH",
	"KRB5", "PYSPARK_SUBMIT_", "PYSPARK_GATEWAY_", "BASH_ENV",
}

// badVariable says why clients may not set an environment variable, "" if they may.
func badVariable(name string) string {
	upper := strings.ToUpper(name)
	for _, prefix := range steering {
		if strings.HasPrefix(upper, prefix) {
			return "the environment variable " + name + " is a setting of Spark, Hadoop or Java"
		}
	}
	return ""
}
