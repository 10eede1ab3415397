package policies

import (
	"slices"
	"strings"

	"github.com/livygateway/livygateway/policies/sparkconf"
)

// family holds all names of one setting. The tables below are the alias model from which
// docs/policies.md is generated.
type family struct {
	// field is Livy's name for it in create requests, if any.
	field string
	// keys are Spark's names for it. The first is the current one, which takes precedence
	// over the others.
	keys []string
	// related are other settings with the same effect. Rules on the family apply to them too,
	// but not vice versa.
	related []string
	// list families are merged: the field's values, then the key's.
	list bool
	unit unit
	// oldSuffix is true if numbers under old names must have a suffix.
	oldSuffix bool
	// fallback is Spark's own default, if it matters for rules.
	fallback string
	// unlimited is true if 0 means "no limit".
	unlimited bool
	// javaOptions are keys whose value can set the heap, bypassing this family.
	javaOptions []string
	// note is for the documentation.
	note string
}

// key returns Spark's current name, or the field if there is none.
func (f *family) key() string {
	if len(f.keys) > 0 {
		return f.keys[0]
	}
	return f.field
}

// members returns all names of the family except the related ones.
func (f *family) members() []string {
	if f.field == "" {
		return f.keys
	}
	return append([]string{f.field}, f.keys...)
}

var (
	driverJavaOptions   = []string{"spark.driver.extraJavaOptions", "spark.driver.defaultJavaOptions"}
	executorJavaOptions = []string{"spark.executor.extraJavaOptions", "spark.executor.defaultJavaOptions"}
	driverJavaEnv       = env(driverEnvPrefixes, "JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS")
	executorJavaEnv     = env(executorEnvPrefixes, "JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS")

	driverEnvPrefixes   = []string{"spark.yarn.appMasterEnv.", "spark.kubernetes.driverEnv."}
	executorEnvPrefixes = []string{"spark.executorEnv."}
)

// env returns the keys that set the environment variables.
func env(prefixes []string, names ...string) []string {
	var keys []string
	for _, p := range prefixes {
		for _, n := range names {
			keys = append(keys, p+n)
		}
	}
	return keys
}

// families is the alias table: first Livy's fields, in the order of its documentation, then
// settings that Spark has renamed or can be set in two ways.
var families = []family{
	{
		field: "kind", note: "livy.rsc.session.kind is dropped with all livy.* keys", fallback: "shared",
	},
	{
		field: "proxyUser", keys: []string{"spark.livy.proxyUser"},
		related: slices.Concat(env(driverEnvPrefixes, "HADOOP_USER_NAME", "HADOOP_PROXY_USER", "SPARK_USER"),
			env(executorEnvPrefixes, "HADOOP_USER_NAME", "HADOOP_PROXY_USER", "SPARK_USER")),
		note: "`?doAs=`, livy.rsc.proxy_user and -DHADOOP_USER_NAME are closed by the built-in guards",
	},
	{
		field: "jars", keys: []string{"spark.jars", "spark.yarn.dist.jars"}, list: true,
		related: []string{"spark.jars.packages", "spark.repl.local.jars"},
	},
	{
		field: "pyFiles", keys: []string{"spark.submit.pyFiles", "spark.yarn.dist.pyFiles"}, list: true,
	},
	{
		field: "files", keys: []string{"spark.files", "spark.yarn.dist.files"}, list: true,
	},
	{
		field: "archives", keys: []string{"spark.yarn.dist.archives", "spark.archives"}, list: true,
		note: "Livy does not look at spark.archives",
	},
	{
		field: "driverMemory", keys: []string{"spark.driver.memory"}, related: append(env(driverEnvPrefixes,
			"SPARK_DRIVER_MEMORY"), driverJavaEnv...),
		unit: unitMiB, fallback: "1g", javaOptions: driverJavaOptions,
	},
	{
		field: "driverCores", keys: []string{"spark.driver.cores"},
		related: []string{"spark.kubernetes.driver.request.cores", "spark.kubernetes.driver.limit.cores"},
		unit:    unitInt, fallback: "1",
	},
	{
		field: "executorMemory", keys: []string{"spark.executor.memory"}, related: append(env(slices.Concat(driverEnvPrefixes, executorEnvPrefixes), "SPARK_EXECUTOR_MEMORY"), executorJavaEnv...),
		unit: unitMiB, fallback: "1g", javaOptions: executorJavaOptions,
	},
	{
		field: "executorCores", keys: []string{"spark.executor.cores"},
		related: append(env(slices.Concat(driverEnvPrefixes, executorEnvPrefixes), "SPARK_EXECUTOR_CORES"),
			"spark.kubernetes.executor.request.cores", "spark.kubernetes.executor.limit.cores"),
		unit: unitInt, fallback: "1",
	},
	{
		field: "numExecutors", keys: []string{"spark.executor.instances"},
		related: []string{
			"spark.dynamicAllocation.enabled", "spark.dynamicAllocation.initialExecutors", "spark.dynamicAllocation.minExecutors", "spark.dynamicAllocation.maxExecutors",
			"spark.streaming.dynamicAllocation.enabled", "spark.streaming.dynamicAllocation.minExecutors", "spark.streaming.dynamicAllocation.maxExecutors",
		},
		unit: unitInt,
		note: "a cap holds for dynamic allocation as well",
	},
	{
		field: "queue", keys: []string{"spark.yarn.queue"},
	},
	{
		field: "name", keys: []string{"spark.app.name"},
	},
	{field: "heartbeatTimeoutInSecond", unit: unitInt, unlimited: true},
	{field: "ttl", unit: unitDuration, unlimited: true},
	{field: "idleTimeout", unit: unitDuration, unlimited: true},
	{field: "file"},
	{field: "className"},
	{field: "args", list: true},

	// Memory in addition to the heap.
	{
		keys: []string{"spark.driver.memoryOverhead", "spark.yarn.driver.memoryOverhead"},
		related: []string{
			"spark.driver.memoryOverheadFactor", "spark.kubernetes.memoryOverheadFactor",
			"spark.driver.minMemoryOverhead",
		},
		unit: unitMiB,
	},
	{
		keys: []string{"spark.executor.memoryOverhead", "spark.yarn.executor.memoryOverhead"},
		related: []string{
			"spark.executor.memoryOverheadFactor", "spark.kubernetes.memoryOverheadFactor",
			"spark.executor.minMemoryOverhead",
		},
		unit: unitMiB,
	},
	{keys: []string{"spark.memory.offHeap.size"}, unit: unitBytes},
	{keys: []string{"spark.memory.offHeap.enabled", "spark.unsafe.offHeap"}},
	{keys: []string{"spark.executor.pyspark.memory"}, unit: unitMiB},
	{keys: []string{"spark.driver.maxResultSize"}, unit: unitBytes, unlimited: true},
	{keys: []string{"spark.cores.max"}, unit: unitInt, fallback: "2147483647"},
	{keys: []string{"spark.task.cpus"}, unit: unitInt},
	{keys: []string{"spark.dynamicAllocation.maxExecutors"}, unit: unitInt},
	{keys: []string{"spark.dynamicAllocation.minExecutors"}, unit: unitInt},
	{keys: []string{"spark.dynamicAllocation.initialExecutors"}, unit: unitInt},

	// The same setting under two names.
	{
		keys:    []string{"spark.driver.extraJavaOptions"},
		related: append([]string{"spark.driver.defaultJavaOptions"}, driverJavaEnv...),
	},
	{
		keys:    []string{"spark.driver.defaultJavaOptions"},
		related: append([]string{"spark.driver.extraJavaOptions"}, driverJavaEnv...),
	},
	{
		keys:    []string{"spark.executor.extraJavaOptions"},
		related: append([]string{"spark.executor.defaultJavaOptions"}, executorJavaEnv...),
	},
	{
		keys:    []string{"spark.executor.defaultJavaOptions"},
		related: append([]string{"spark.executor.extraJavaOptions"}, executorJavaEnv...),
	},
	{
		keys:    []string{"spark.pyspark.python"},
		related: env(slices.Concat(driverEnvPrefixes, executorEnvPrefixes), "PYSPARK_PYTHON"),
	},
	{
		keys:    []string{"spark.pyspark.driver.python"},
		related: env(slices.Concat(driverEnvPrefixes, executorEnvPrefixes), "PYSPARK_DRIVER_PYTHON"),
	},
	{keys: []string{"spark.kubernetes.driver.request.cores"}, unit: unitCPU},
	{keys: []string{"spark.kubernetes.driver.limit.cores"}, unit: unitCPU},
	{keys: []string{"spark.kubernetes.executor.request.cores"}, unit: unitCPU},
	{keys: []string{"spark.kubernetes.executor.limit.cores"}, unit: unitCPU},
	{
		keys:    []string{"spark.kubernetes.container.image"},
		related: []string{"spark.kubernetes.driver.container.image", "spark.kubernetes.executor.container.image"},
	},
	{
		keys:    []string{"spark.kubernetes.scheduler.name"},
		related: []string{"spark.kubernetes.driver.scheduler.name", "spark.kubernetes.executor.scheduler.name"},
	},
	{
		keys:    []string{"spark.kubernetes.authenticate.driver.serviceAccountName"},
		related: []string{"spark.kubernetes.authenticate.executor.serviceAccountName"},
	},
	{keys: []string{"spark.yarn.tags"}, list: true, note: "Livy puts its own tag first"},
	{keys: []string{"spark.hadoop.fs.defaultFS", "spark.hadoop.fs.default.name"}},
	{
		keys:    []string{"spark.sql.warehouse.dir"},
		related: []string{"spark.hadoop.hive.metastore.warehouse.dir", "spark.hive.metastore.warehouse.dir"},
	},

	// Renamed by Spark, which still reads the old names.
	{keys: []string{"spark.kerberos.keytab", "spark.yarn.keytab"}},
	{keys: []string{"spark.kerberos.principal", "spark.yarn.principal"}},
	{keys: []string{"spark.kerberos.relogin.period", "spark.yarn.kerberos.relogin.period"}},
	{keys: []string{
		"spark.kerberos.access.hadoopFileSystems", "spark.yarn.access.hadoopFileSystems",
		"spark.yarn.access.namenodes",
	}},
	{keys: []string{"spark.yarn.jars", "spark.yarn.jar"}, related: []string{"spark.yarn.archive"}},
	{keys: []string{"spark.yarn.archive"}, related: []string{"spark.yarn.jars", "spark.yarn.jar"}},
	{keys: []string{
		"spark.executor.maxNumFailures", "spark.yarn.max.executor.failures",
		"spark.yarn.max.worker.failures",
	}},
	{keys: []string{
		"spark.executor.userClassPathFirst", "spark.files.userClassPathFirst",
		"spark.yarn.user.classpath.first",
	}},
	{keys: []string{"spark.driver.userClassPathFirst", "spark.yarn.user.classpath.first"}},
	{keys: []string{"spark.yarn.am.waitTime", "spark.yarn.applicationMaster.waitTries"}},
	{keys: []string{"spark.reducer.maxSizeInFlight", "spark.reducer.maxMbInFlight"}},
	{keys: []string{
		"spark.network.maxRemoteBlockSizeFetchToMem", "spark.maxRemoteBlockSizeFetchToMem",
		"spark.reducer.maxReqSizeShuffleToMem",
	}},
	{keys: []string{"spark.kryoserializer.buffer", "spark.kryoserializer.buffer.mb"}},
	{keys: []string{"spark.kryoserializer.buffer.max", "spark.kryoserializer.buffer.max.mb"}},
	{keys: []string{"spark.shuffle.file.buffer", "spark.shuffle.file.buffer.kb"}},
	{keys: []string{"spark.executor.logs.rolling.maxSize", "spark.executor.logs.rolling.size.maxBytes"}},
	{keys: []string{"spark.io.compression.snappy.blockSize", "spark.io.compression.snappy.block.size"}},
	{keys: []string{"spark.io.compression.lz4.blockSize", "spark.io.compression.lz4.block.size"}},
	{keys: []string{"spark.rpc.numRetries", "spark.akka.num.retries"}},
	{keys: []string{"spark.rpc.retry.wait", "spark.akka.retry.wait"}},
	{keys: []string{"spark.rpc.askTimeout", "spark.akka.askTimeout"}},
	{keys: []string{"spark.rpc.lookupTimeout", "spark.akka.lookupTimeout"}},
	{keys: []string{"spark.rpc.message.maxSize", "spark.akka.frameSize"}},
	{keys: []string{
		"spark.scheduler.listenerbus.eventqueue.capacity",
		"spark.scheduler.listenerbus.eventqueue.size",
	}},
	{keys: []string{"spark.storage.blockManagerHeartbeatTimeoutMs", "spark.storage.blockManagerSlaveTimeoutMs"}},
	{keys: []string{
		"spark.excludeOnFailure.timeout", "spark.blacklist.timeout",
		"spark.scheduler.executorTaskExcludeOnFailureTime", "spark.scheduler.executorTaskBlacklistTime",
	}},
	{keys: []string{"spark.streaming.fileStream.minRememberDuration", "spark.streaming.minRememberDuration"}},
	{keys: []string{"spark.kafka.consumer.cache.capacity", "spark.sql.kafkaConsumerCache.capacity"}},
	{keys: []string{"spark.executor.failuresValidityInterval", "spark.yarn.executor.failuresValidityInterval"}},
	{keys: []string{"spark.excludeOnFailure.killExcludedExecutors", "spark.blacklist.killBlacklistedExecutors"}},
	{keys: []string{
		"spark.scheduler.excludeOnFailure.unschedulableTaskSetTimeout",
		"spark.scheduler.blacklist.unschedulableTaskSetTimeout",
	}},
	{keys: []string{
		"spark.scheduler.executorTaskExcludeOnFailureTime",
		"spark.scheduler.executorTaskBlacklistTime",
	}},
	{keys: []string{
		"spark.yarn.executor.launch.excludeOnFailure.enabled",
		"spark.yarn.blacklist.executor.launch.blacklisting.enabled",
	}},
	{keys: []string{"spark.history.fs.cleaner.interval", "spark.history.fs.cleaner.interval.seconds"}},
	{keys: []string{"spark.history.fs.cleaner.maxAge", "spark.history.fs.cleaner.maxAge.seconds"}},
	{keys: []string{
		"spark.history.fs.update.interval", "spark.history.fs.update.interval.seconds",
		"spark.history.fs.updateInterval", "spark.history.updateInterval",
	}},
	{keys: []string{"spark.sql.avro.datetimeRebaseModeInRead", "spark.sql.legacy.avro.datetimeRebaseModeInRead"}},
	{keys: []string{
		"spark.sql.avro.datetimeRebaseModeInWrite",
		"spark.sql.legacy.avro.datetimeRebaseModeInWrite",
	}},
	{keys: []string{
		"spark.sql.parquet.datetimeRebaseModeInRead",
		"spark.sql.legacy.parquet.datetimeRebaseModeInRead",
	}},
	{keys: []string{
		"spark.sql.parquet.datetimeRebaseModeInWrite",
		"spark.sql.legacy.parquet.datetimeRebaseModeInWrite",
	}},
	{keys: []string{"spark.sql.parquet.int96RebaseModeInRead", "spark.sql.legacy.parquet.int96RebaseModeInRead"}},
	{keys: []string{
		"spark.sql.parquet.int96RebaseModeInWrite",
		"spark.sql.legacy.parquet.int96RebaseModeInWrite",
	}},
	{keys: []string{
		"spark.sql.optimizer.pruneFiltersCanPruneStreamingSubplan",
		"spark.databricks.sql.optimizer.pruneFiltersCanPruneStreamingSubplan",
	}},
}

// prefixPairs lists prefixes that are equivalent for every name.
var prefixPairs = [][2]string{
	{"spark.hive.", "spark.hadoop.hive."},
	{"spark.excludeOnFailure.", "spark.blacklist."},
	{"spark.kubernetes.node.selector.", "spark.kubernetes.driver.node.selector."},
	{"spark.kubernetes.node.selector.", "spark.kubernetes.executor.node.selector."},
}

// familiesOf maps every member (not related keys) to its families.
var familiesOf = func() map[string][]*family {
	m := map[string][]*family{}
	for i := range families {
		for _, name := range families[i].members() {
			m[name] = append(m[name], &families[i])
		}
	}
	return m
}()

// twins returns the other names of a key by prefixPairs.
func twins(key string) []string {
	var out []string
	for _, pair := range prefixPairs {
		for i, prefix := range pair {
			if rest, ok := strings.CutPrefix(key, prefix); ok {
				out = append(out, pair[1-i]+rest)
			}
		}
	}
	return out
}

// spellings returns all names that a rule on key applies to.
func spellings(key string) []string {
	out := append([]string{key}, twins(key)...)
	for _, f := range familiesOf[key] {
		out = append(out, f.members()...)
		out = append(out, f.related...)
	}
	out = append(out, sparkconf.NamesOf(key)...)
	slices.Sort(out)
	return slices.Compact(out)
}
