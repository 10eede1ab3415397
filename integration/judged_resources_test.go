package integration

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
)

// headroom is by how much a JVM may round a heap up, in bytes: to whole regions.
const headroom = 64 << 20

// resources compare what the policy writes down with what Spark reads.
func (j *judgement) resources() []string {
	var out []string
	v, e := j.verdict, &j.effect
	for _, c := range []struct {
		name      string
		got, want int64
		known     bool
	}{
		{"driver memory", v.number("spark.driver.memory", 1024), e.DriverMemoryBytes() >> 20, e.DriverMemoryBytes() > 0},
		{"executor memory", v.number("spark.executor.memory", 1024), e.ExecutorMemoryBytes() >> 20, e.ExecutorMemoryBytes() > 0},
		{"driver cores", v.number("spark.driver.cores", 1), int64(e.DriverCores), e.DriverCores != 0},
		{"executor cores", v.number("spark.executor.cores", 1), int64(e.ExecutorCores), e.ExecutorCores != 0},
		{"executors", v.Executors.Initial, int64(e.NumExecutors), e.NumExecutors != 0 && !v.Executors.Dynamic && v.Executors.Error == ""},
	} {
		if c.known && c.got != c.want && c.got != -1 {
			out = append(out, fmt.Sprintf("%s: %d, and the record says %d", c.name, c.got, c.want))
		}
	}
	return out
}

// conf looks whether each setting that is sent arrives as it is.
func (j *judgement) conf() []string {
	var out []string
	v := j.verdict
	for _, key := range slices.Sorted(maps.Keys(j.body.Conf)) {
		want, got := javaTrim(j.body.Conf[key]), javaTrim(v.Conf[key])
		if !strings.HasPrefix(key, "spark.") || got == want || key == "spark.app.name" && j.body.Name != "" {
			continue
		}
		if slices.Contains(livyLists, key) || namesFiles(key) || key == "spark.yarn.tags" || key == "spark.submit.deployMode" || key == "spark.repl.local.jars" || key == "spark.testing" {
			continue // merged with others, or fetched, and looked at in lists; or the judge's own
		}
		if key == "spark.driver.host" && j.master.deployMode == "cluster" {
			continue // SparkSubmit leaves it out: it is of another machine
		}
		if was, own := j.baseConf(key); own && was == v.Conf[key] {
			continue // Livy sets it itself
		}
		if strings.HasPrefix(key, "spark.kerberos.") && v.Submit["keytab"] != "" || strings.Contains(want, "\r") || strings.Contains(want, "\n") {
			continue
		}
		out = append(out, fmt.Sprintf("setting: %s is %q, want %q", key, got, want))
	}
	for key := range v.Conf {
		if _, sent := j.body.Conf[key]; strings.HasPrefix(key, "spark.app.initial.") && !sent {
			out = append(out, fmt.Sprintf("setting: %s is %q", key, v.Conf[key]))
		}
	}
	return out
}

// javaTrim is String.trim of Java, which SparkSubmit calls on the settings of a file.
func javaTrim(s string) string {
	return strings.TrimFunc(s, func(c rune) bool { return c <= ' ' })
}

// baseConf is a setting of the application when the client sets nothing.
func (j *judgement) baseConf(key string) (string, bool) {
	if j.base == nil {
		return "", false
	}
	value, ok := j.base.Conf[key]
	return value, ok
}

// caps hold Spark's own reading against the largest values of the rules.
func (j *judgement) caps() []string {
	var out []string
	v := j.verdict
	for i := range j.settings.Rules {
		r := &j.settings.Rules[i]
		if r.Max == "" {
			continue
		}
		over := func(what string, got int64) {
			if most := bytesOrNumber(r.Max); got > most {
				out = append(out, fmt.Sprintf("cap of %s: %s is %d, at most %d", r.Key, what, got, most))
			}
		}
		heap := func(m *jvm) {
			if m != nil && m.Error == "" {
				over("heap", m.Flags["MaxHeapSize"]-headroom)
			}
		}
		switch r.Key {
		case "driverMemory", "spark.driver.memory":
			over("spark.driver.memory", v.number("spark.driver.memory", 1024)<<20)
			heap(v.DriverJVM)
		case "executorMemory", "spark.executor.memory":
			over("spark.executor.memory", v.number("spark.executor.memory", 1024)<<20)
			heap(v.ExecutorJVM)
		case "driverCores", "spark.driver.cores":
			over("spark.driver.cores", v.number("spark.driver.cores", 1))
		case "executorCores", "spark.executor.cores":
			over("spark.executor.cores", v.number("spark.executor.cores", 1))
		case "numExecutors", "spark.executor.instances":
			if v.Executors.Error == "" && !strings.HasPrefix(j.master.url, "local") {
				over("number of executors", v.Executors.Most)
			}
		case "spark.driver.memoryOverhead", "spark.executor.memoryOverhead", "spark.executor.pyspark.memory":
			if n, err := strconv.ParseInt(v.Read[r.Key], 10, 64); err == nil {
				over(r.Key, n<<20)
			}
		case "spark.memory.offHeap.size", "spark.driver.maxResultSize", "spark.cores.max", "spark.task.cpus":
			if n, err := strconv.ParseInt(v.Read[r.Key], 10, 64); err == nil {
				over(r.Key, n)
			}
		}
	}
	return out
}

// bytesOrNumber reads a rule's bound: 4g, 512m, 10.
func bytesOrNumber(s string) int64 {
	shift := 0
	switch digits, last := s[:len(s)-1], s[len(s)-1]; last {
	case 'g':
		s, shift = digits, 30
	case 'm':
		s, shift = digits, 20
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil {
		return math.MaxInt64
	}
	return n << shift
}

// blacklist compares every setting that is listed, as Spark reads it, with what it
// is when the client sets nothing: it must not have moved.
func (j *judgement) blacklist() []string {
	if j.base == nil || j.base.Error != "" {
		return nil
	}
	var out []string
	v := j.verdict
	moved := func(key, got, was string) {
		if got != was && !livyNoise(key) {
			out = append(out, fmt.Sprintf("blacklist: %s is %q, and %q without the client", key, got, was))
		}
	}
	heap := func(of string, got, was *jvm) {
		if got != nil && was != nil && got.Error == "" && was.Error == "" && got.Flags["MaxHeapSize"] > was.Flags["MaxHeapSize"]+headroom {
			out = append(out, fmt.Sprintf("blacklist: the heap of the %s is %d, and %d without the client", of, got.Flags["MaxHeapSize"], was.Flags["MaxHeapSize"]))
		}
	}
	for _, line := range j.settings.Blacklist {
		if !strings.HasPrefix(line.Key, "spark.") {
			continue
		}
		keys := map[string]bool{}
		for _, m := range []map[string]string{v.Read, j.base.Read, v.Conf, j.base.Conf} {
			for key := range m {
				if key == line.Key || line.Prefix && strings.HasPrefix(key, line.Key) {
					keys[key] = true
				}
			}
		}
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			if _, known := j.judge.known.Settings[key]; known {
				moved(key, v.read(key, "Spark's default"), j.base.read(key, "Spark's default"))
			} else {
				moved(key, v.Conf[key], j.base.Conf[key])
			}
		}
		if line.Prefix {
			continue
		}
		switch line.Key {
		case "spark.driver.memory":
			heap("driver", v.DriverJVM, j.base.DriverJVM)
		case "spark.executor.memory":
			heap("executor", v.ExecutorJVM, j.base.ExecutorJVM)
		}
	}
	return out
}

// livyNoise are settings that differ from one create to the next by themselves.
func livyNoise(key string) bool {
	return strings.HasPrefix(key, "spark.__livy__.") || key == "spark.yarn.tags" || key == "spark.app.submitTime" || key == "spark.app.name"
}
