package policies

import "strings"

// envPrefixes lists the prefixes of settings for environment variables of drivers or executors;
// the variable's name follows.
var envPrefixes = []string{
	"spark.executorEnv.", "spark.yarn.appMasterEnv.", "spark.kubernetes.driverEnv.", "spark.mesos.driverEnv.",
	"spark.kubernetes.driver.secretKeyRef.", "spark.kubernetes.executor.secretKeyRef.",
}

// envVariable returns the environment variable that a key sets, or "".
func envVariable(key string) string {
	for _, prefix := range envPrefixes {
		if name, ok := strings.CutPrefix(key, prefix); ok {
			return name
		}
	}
	return ""
}

// steering lists prefixes of environment variables from which Spark, Hadoop, the JVM, the loader
// or the shell take settings: memory and cores (SPARK_EXECUTOR_MEMORY), Java options
// (SPARK_JAVA_OPT_0, _JAVA_OPTIONS), the user (HADOOP_USER_NAME, KRB5CCNAME), configuration
// directories, class and library paths, functions that replace programs (BASH_FUNC_java%%), and
// the API server of Kubernetes.
var steering = []string{
	"SPARK_", "JAVA_", "_JAVA_", "JDK_", "IBM_JAVA_", "OPENJ9_", "HADOOP_", "YARN_", "HDFS_", "LD_", "CLASSPATH",
	"KRB5", "PYSPARK_SUBMIT_", "PYSPARK_GATEWAY_", "BASH_", "BASHOPTS", "SHELLOPTS", "KUBECONFIG", "KUBERNETES_",
}

// javaOption is what the script that starts Spark's images looks for anywhere in the lines of
// "env", to pass the rest of the line to Java.
const javaOption = "SPARK_JAVA_OPT_"

// badVariable returns why clients may not set an environment variable, or "".
func badVariable(name string) string {
	upper := strings.ToUpper(name)
	for _, prefix := range steering {
		if strings.HasPrefix(upper, prefix) || strings.Contains(upper, javaOption) {
			return "the environment variable " + name + " is a setting of Spark, Hadoop or Java"
		}
	}
	return ""
}
