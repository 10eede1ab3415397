package integration

import (
	"encoding/json"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/policies/policytest"
)

// marker is in every value that must not come through where it is forbidden.
const marker = "31337"

// pieces are what create requests are mutated with: spellings of options,
// settings and values that Spark, the JVM, Livy or Java take in more ways than one.
type pieces struct {
	rng *rand.Rand
	// seeds are the corpus' create requests.
	seeds []map[string]any
	// mains are the programs in Spark's jars; keys every setting that some Spark
	// knows, by any of its names.
	mains, keys []string
}

func newPieces(t testing.TB, rng *rand.Rand, corpus string, judges []*judge) *pieces {
	t.Helper()
	p := &pieces{rng: rng}
	for _, c := range policytest.Load(t, corpus) {
		var m map[string]any
		if json.Unmarshal([]byte(c.Body), &m) == nil && strings.HasPrefix(c.Target, "/") && len(c.Body) < 4000 && !strings.Contains(c.Target, "/3") {
			p.seeds = append(p.seeds, m)
		}
	}
	mains, keys := map[string]bool{}, map[string]bool{}
	for _, j := range judges {
		for _, m := range j.known.Mains {
			mains[m] = true
		}
		for key, others := range j.known.Settings {
			keys[key] = true
			for _, other := range others {
				keys[other] = true
			}
		}
		for _, key := range j.known.Deprecated {
			keys[key] = true
		}
	}
	p.mains, p.keys = slices.Sorted(maps.Keys(mains)), slices.Sorted(maps.Keys(keys))
	return p
}

func (p *pieces) pick(list ...string) string { return list[p.rng.IntN(len(list))] }

func (p *pieces) chance(percent int) bool { return p.rng.IntN(100) < percent }

// create makes one request: a seed, or a plain one, with some of it changed.
func (p *pieces) create(batch bool) map[string]any {
	m := map[string]any{}
	if p.chance(40) {
		m = clone(p.seeds[p.rng.IntN(len(p.seeds))])
	}
	if batch {
		if _, ok := m["file"]; !ok {
			m["file"] = p.pick("hdfs:///x.jar", "hdfs:///x.py", "/allowed/x.jar")
			if p.chance(80) {
				m["className"] = "a.B"
			}
		}
		for _, name := range []string{"kind", "ttl", "heartbeatTimeoutInSecond"} {
			delete(m, name)
		}
	} else {
		for _, name := range []string{"file", "className", "args"} {
			delete(m, name)
		}
	}
	for range 1 + p.rng.IntN(5) {
		p.change(m, batch)
	}
	if p.chance(15) {
		p.dirty(m)
	}
	return m
}

func clone(m map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range m {
		switch v := v.(type) {
		case map[string]any:
			out[k] = clone(v)
		case []any:
			out[k] = slices.Clone(v)
		default:
			out[k] = v
		}
	}
	return out
}

func (p *pieces) set(m map[string]any, key, value string) {
	conf, ok := m["conf"].(map[string]any)
	if !ok {
		conf = map[string]any{}
		m["conf"] = conf
	}
	conf[key] = value
}

func (p *pieces) change(m map[string]any, batch bool) {
	switch p.rng.IntN(12) {
	case 0, 1:
		if batch {
			p.program(m)
		}
	case 2, 3:
		p.set(m, p.optionsKey(), p.javaOptions())
	case 4:
		p.resources(m)
	case 5, 6:
		p.set(m, p.key(), p.value())
	case 7:
		p.set(m, p.pick("spark.executorEnv.", "spark.yarn.appMasterEnv.", "spark.kubernetes.driverEnv.", "spark.mesos.driverEnv.")+
			p.pick("HADOOP_USER_NAME", "HADOOP_PROXY_USER", "SPARK_USER", "JAVA_TOOL_OPTIONS", "_JAVA_OPTIONS", "JDK_JAVA_OPTIONS", "SPARK_JAVA_OPT_9",
				"SPARK_EXECUTOR_MEMORY", "SPARK_SUBMIT_OPTS", "SPARK_DRIVER_MEMORY", "LD_PRELOAD", "CLASSPATH", "PYSPARK_PYTHON", "SPARK_CONF_DIR", "hadoop_user_name", "TZ"),
			p.pick(p.javaOptions(), "evil"+marker))
	case 8, 9:
		p.files(m)
	case 10:
		p.who(m)
	case 11:
		p.set(m, p.pick("spark.a", "spark.b"), p.value())
	}
}

// program is a main class and arguments that some take for options.
func (p *pieces) program(m map[string]any) {
	if p.chance(60) {
		class := p.pick(p.mains...)
		switch p.rng.IntN(12) {
		case 0:
			class = " " + class
		case 1:
			class += p.pick(" ", "$", "\t", "\n", "\u00a0", ".")
		case 2:
			class = strings.ReplaceAll(class, ".", "/")
		case 3:
			class = strings.ToUpper(class[:1]) + class[1:]
		case 4:
			class = "org.apache.spark.examples." + class
		case 5:
			class = p.pick("org.apache.spark.examples.SparkPi", "org.apache.spark.examples.sql.SparkSQLExample", "pyspark-shell-main", "sparkr-shell-main", "run-example", "pyspark-shell")
		}
		m["className"] = class
	}
	args, _ := m["args"].([]any)
	for range p.rng.IntN(4) {
		option := p.pick("--proxy-user", "--queue", "--master", "--conf", "-c", "--files", "--py-files", "--archives", "--jars", "--keytab", "--principal",
			"--driver-memory", "--driver-java-options", "--driver-class-path", "--properties-file", "--num-executors", "--executor-memory", "--executor-cores",
			"--class", "--name", "--packages", "--repositories", "--verbose", "--version", "--help", "--kill", "--status", "--supervise", "--remote", "-e", "-f", "x")
		value := p.pick("hdfs", "root.admin", "local["+marker+"]", "spark.executor.memory=9g", "/etc/p"+marker, "9g", marker, p.javaOptions())
		switch {
		case p.chance(20):
			args = append(args, option+"="+value)
		case p.chance(10):
			args = append(args, " "+option, value)
		default:
			args = append(args, option, value)
		}
	}
	m["args"] = args
	if p.chance(10) {
		m["file"] = p.pick("spark-internal", "pyspark-shell", "sparkr-shell", "spark-shell", "--proxy-user", "hdfs:///x.jar", "file:/allowed/x.py", "hdfs:///x.R", "local:/allowed/x.jar")
	}
}

func (p *pieces) optionsKey() string {
	return p.pick("spark.driver.extraJavaOptions", "spark.driver.defaultJavaOptions", "spark.executor.extraJavaOptions", "spark.executor.defaultJavaOptions",
		"spark.yarn.am.extraJavaOptions", "spark.executorEnv.JAVA_TOOL_OPTIONS")
}

// javaOptions are spellings that the java program, the JVM or the launcher know.
func (p *pieces) javaOptions() string {
	size := p.pick("7g", "7G", "7168m", "7168M", "7340032k", "7516192768", "0x1C0000000", "7168", "7t", "007g")
	words := []string{
		"-Xmx" + size, "-mx" + size, "-Xms" + size, "-ms" + size, "-Xss" + p.pick("700m", "900m"), "-ss700m", "-oss700m", "-Xoss7m", "-Xmn" + size, "-mx:" + size, "-Xmx:" + size,
		"-XX:MaxHeapSize=" + size, "-XX:InitialHeapSize=" + size, "-XX:MinHeapSize=" + size, "-XX:MaxRAM=" + size, "-XX:MaxRAMPercentage=90", "-XX:MaxRAMPercentage=90.0",
		"-XX:InitialRAMPercentage=90", "-XX:MinRAMPercentage=90", "-XX:MaxRAMFraction=1", "-XX:+AggressiveHeap", "-XX:ThreadStackSize=700m", "-XX:+UseLargePages",
		"-XX:SoftMaxHeapSize=" + size, "-XX:ErgoHeapSizeLimit=" + size, "-XX:HeapBaseMinAddress=4g", "-XX:DefaultMaxRAMFraction=1", "-XX:MaxDirectMemorySize=" + size,
		"-XX:G1HeapRegionSize=32m", "-XX:+UseParallelGC", "-XX:+UseSerialGC", "-XX:+UseZGC", "-XX:+UseShenandoahGC", "-XX:+UnlockExperimentalVMOptions", "-XX:+UnlockDiagnosticVMOptions",
		"-XX:Flags=/etc/p" + marker, "-XX:+ReadVMOptionsFile", "-XX:VMOptionsFile=/etc/p" + marker, "@/etc/p" + marker, "-XX:+PrintFlagsFinal", "-XX:-PrintFlagsFinal",
		"-Dspark.executor.memory=9g", "-D spark.master=x", "-Dspark.app.name", "-DHADOOP_USER_NAME=hdfs", "-Dlivy.x=y", "-DHADOOP_PROXY_USER=hdfs", "-Dspark", "-Da=-mx9g", "-D=",
		"-cp /tmp/evil", "-cp", "-classpath /tmp/evil", "--class-path=/tmp/evil", "--class-path /tmp/evil", "-Djava.class.path=/tmp/evil", "-jar /tmp/evil.jar", "-jar", "-p /tmp/evil",
		"--module-path=/tmp/evil", "-m a/b.C", "--module a/b.C", "--module=a/b.C", "--add-modules x", "--add-opens java.base/java.lang=ALL-UNNAMED", "--add-opens=java.base/java.util=ALL-UNNAMED", "--add-opens",
		"--add-exports", "--add-reads", "--patch-module=java.base=/tmp/evil", "--upgrade-module-path /tmp/evil", "--limit-modules", "--source 17", "--dry-run", "-version", "--version", "-h", "-?", "-X",
		"-Xbootclasspath/a:/tmp/evil.jar", "-javaagent:/tmp/evil.jar", "-agentpath:/tmp/evil.so", "-agentlib:evil", "-splash:x", "-Xshare:off", "-verbose:gc", "-Xdebug", "-esa", "-ea:a", "-d x", "--describe-module", "--list-modules",
		"org.apache.spark.deploy.SparkSubmit", "a.Main", "org.apache.spark.deploy.SparkSubmit --proxy-user hdfs --class a.C hdfs:///y.jar", "''", `""`, `\`, "--", "-", "-Xinternalversion", "-XshowSettings:all", "-Xlog:disable",
		"-Dx=y", "-XX:+UseG1GC", "-J-mx7g", "-server", "-client", "-d64", "-Xcheck:jni", "-Xfuture", "-Xverify:none", "-Xint", "-XX:NewSize=3g", "-XX:MaxNewSize=" + size, "-XX:+IgnoreUnrecognizedVMOptions", "-XX:NosuchFlag=1",
	}
	var out strings.Builder
	for i := range 1 + p.rng.IntN(3) {
		if i > 0 {
			out.WriteString(p.pick(" ", " ", " ", "  ", "\t", "\n", "\r\n", "\u00a0", "\v", "\f", "\u2003"))
		}
		word := p.pick(words...)
		switch p.rng.IntN(14) {
		case 0:
			word = `"` + word + `"`
		case 1:
			word = "'" + word + "'"
		case 2:
			at := p.rng.IntN(len(word) + 1)
			word = word[:at] + p.pick(`\`, `""`, "''", `"`, "'") + word[at:]
		case 3:
			word = swapCase(word, p.rng)
		case 4:
			word = "-D" + word
		}
		out.WriteString(word)
	}
	return out.String()
}

func swapCase(s string, rng *rand.Rand) string {
	b := []byte(s)
	for i, c := range b {
		if (c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z') && rng.IntN(4) == 0 {
			b[i] = c ^ 0x20
		}
	}
	return string(b)
}
