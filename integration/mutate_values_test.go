package integration

import (
	"maps"
	"slices"
	"strings"
)

// key is a setting by any of its names, or one that is nearly one.
func (p *pieces) key() string {
	key := p.pick(p.keys...)
	switch p.rng.IntN(14) {
	case 0:
		key = p.pick("spark.hadoop.", "spark.hive.", "spark.livy.", "spark.__livy__.", "livy.", "spark.livygateway.") + key
	case 1:
		key = p.pick("spark.hadoop.", "spark.hive.", "spark.blacklist.", "spark.excludeOnFailure.") + p.pick("hive.metastore.uris", "enabled", "timeout", "hadoop.security.authentication", "fs.defaultFS", "hive.exec.scratchdir")
	case 2, 3, 4:
		// Those that matter to the policies under test, more often.
		key = p.pick("spark.executor.memory", "spark.driver.memory", "spark.executor.instances", "spark.executor.cores", "spark.driver.cores", "spark.yarn.queue", "spark.files",
			"spark.jars", "spark.archives", "spark.submit.pyFiles", "spark.yarn.dist.files", "spark.yarn.executor.memoryOverhead", "spark.yarn.driver.memoryOverhead",
			"spark.executor.memoryOverhead", "spark.driver.memoryOverhead", "spark.executor.memoryOverheadFactor", "spark.memory.offHeap.size", "spark.memory.offHeap.enabled", "spark.unsafe.offHeap",
			"spark.dynamicAllocation.enabled", "spark.dynamicAllocation.maxExecutors", "spark.dynamicAllocation.minExecutors", "spark.dynamicAllocation.initialExecutors",
			"spark.dynamicAllocation.testing", "spark.streaming.dynamicAllocation.enabled", "spark.app.name", "spark.kubernetes.namespace", "spark.driver.maxResultSize",
			"spark.yarn.am.memory", "spark.yarn.am.cores", "spark.app.initial.file.urls", "spark.app.initial.jar.urls", "spark.app.initial.archive.urls", "spark.task.cpus", "spark.cores.max")
	case 5:
		key = swapCase(key, p.rng)
	case 6:
		key += p.pick(" ", "\t", "=", ".", "\u0000", "\n", "\u200b", ":", "=x", " =", "\\")
	case 7:
		key = p.pick(" ", "\ufeff", "\t", "-", "--conf ", "") + key
	}
	return key
}

// value is a size, a number, a truth value, a reference or a list in some spelling.
func (p *pieces) value() string {
	switch p.rng.IntN(8) {
	case 0, 1:
		return p.size()
	case 2:
		return p.pick("true", "false", "TRUE", " true", "1", "0", "-1", "99", "2147483647", "4294967297", "1e3", "+9", "0x10", "٣", "９", "007", "9.5", "", "null", "99 ", "\t99")
	case 3:
		return p.pick("${spark.a}", "${spark.b}", "${env:HOME}", "${system:user.name}", "${sys:java.version}", "${", "$spark.a", "${spark.driver.memory}")
	case 4:
		return p.uri()
	case 5:
		return p.uri() + p.pick(",", " ", ", ", ",,", "\t", ":", ";", "\n") + p.uri()
	case 6:
		return "evil" + marker
	}
	return p.javaOptions()
}

func (p *pieces) size() string {
	return p.pick("1g", "9g", "9G", "9216m", "9216", "9437184k", "9663676416b", "9663676416", "9gb", " 9g", "9g ", "9 g", "9.5g", "1t", "1p", "0", "-1g", "99999999999999999999", "512m", "9GB", "9gB", "９g", "+9g", "0x9g",
		"09g", "9g\n", "${spark.a}", "9223372036854775807", "1024", "300m", "2g", "2048m", "4097m", "4g", "9mb", "9kb", "8796093022208m", "9Gg", "9g -Xss9g")
}

// uri is a file in some spelling; those with the marker are not allowed.
func (p *pieces) uri() string {
	return p.pick("hdfs:///ok.jar", "hdfs:///ok.jar", "/allowed/ok", "file:/allowed/ok", "file:///allowed/ok", "local:/allowed/ok", "s3a://b/ok.zip#x",
		"file:/etc/p"+marker, "file:///etc/p"+marker, "FILE:/etc/p"+marker, "File:///etc/p"+marker, "local:/etc/p"+marker, "LOCAL:/etc/p"+marker, "/etc/p"+marker,
		"file:/allowed/../etc/p"+marker, "file:///allowed/%2e%2e/etc/p"+marker, "/allowed/../etc/p"+marker, "file://localhost/etc/p"+marker, "file:etc/p"+marker, "etc/p"+marker, "//etc/p"+marker, "file:////etc/p"+marker,
		"file:/allowed/{a,../../etc/p"+marker+"}", "file:/etc/p[3]1337", "file:/etc/p"+marker+"#x", "hdfs:///a#../p"+marker, "hdfs:///x,file:/etc/p"+marker, "hdfs:///x file:/etc/p"+marker, "jar:file:/etc/p"+marker+"!/x",
		"har:///etc/p"+marker, "har://file-etc/p"+marker, "ftp://h/p"+marker, "http://h/p", "ivy://a:b:c", "spark://h/p", "viewfs:///x", "hdfs:x", "hdfs://", "*", "hdfs:///*", " file:/etc/p"+marker, "file:/etc/p"+marker+" ",
		"\tfile:/etc/p"+marker, "file\t:/etc/p"+marker, "${spark.a}", "file:/allowed", "file:/allowedp"+marker, "file:/ALLOWED/p"+marker, "file:/allowed/%2fetc/p"+marker, "file:/allowed/\\..\\p"+marker, "data:,x", "file:", "file:/")
}

func (p *pieces) resources(m map[string]any) {
	switch p.rng.IntN(6) {
	case 0:
		m["driverMemory"] = p.size()
	case 1:
		m["executorMemory"] = p.size()
	case 2:
		m[p.pick("driverCores", "executorCores", "numExecutors")] = []any{1, 3, 99, -1, 0, 2147483647}[p.rng.IntN(6)]
	default:
		p.set(m, p.pick("spark.driver.memory", "spark.executor.memory", "spark.executor.cores", "spark.driver.cores", "spark.executor.instances", "spark.yarn.executor.memoryOverhead",
			"spark.executor.memoryOverhead", "spark.dynamicAllocation.maxExecutors", "spark.dynamicAllocation.minExecutors", "spark.dynamicAllocation.initialExecutors", "spark.memory.offHeap.size"), p.pick(p.size(), "99", "3"))
		if p.chance(30) {
			p.set(m, p.pick("spark.dynamicAllocation.enabled", "spark.memory.offHeap.enabled", "spark.unsafe.offHeap"), "true")
		}
	}
}

func (p *pieces) files(m map[string]any) {
	switch p.rng.IntN(4) {
	case 0:
		m[p.pick("jars", "files", "pyFiles", "archives")] = []any{p.uri(), p.uri()}
	case 1:
		if _, batch := m["file"]; batch {
			m["file"] = p.uri()
		}
	default:
		p.set(m, p.pick("spark.jars", "spark.files", "spark.archives", "spark.submit.pyFiles", "spark.yarn.dist.files", "spark.yarn.dist.jars", "spark.yarn.dist.archives", "spark.yarn.dist.pyFiles",
			"spark.repl.local.jars", "spark.yarn.jars", "spark.yarn.jar", "spark.yarn.archive", "spark.kerberos.keytab", "spark.yarn.keytab", "spark.driver.extraClassPath", "spark.executor.extraClassPath",
			"spark.driver.extraLibraryPath", "spark.app.initial.file.urls", "spark.app.initial.jar.urls", "spark.app.initial.archive.urls", "spark.kubernetes.file.upload.path"),
			p.pick(p.uri(), p.uri()+p.pick(",", " ", ", ", ":")+p.uri()))
	}
}

func (p *pieces) who(m map[string]any) {
	switch p.rng.IntN(4) {
	case 0:
		m["proxyUser"] = p.pick("hdfs", "root", "alice", " hdfs", "hdfs\n", "--proxy-user", "")
	case 1:
		m["queue"] = p.pick("root.admin", "root.etl", "", " root.admin", "--queue")
	case 2:
		m["name"] = p.pick("job", "--proxy-user", "a b", "é", "-c", "n\nm", "日報")
	default:
		p.set(m, p.pick("spark.yarn.queue", "spark.livy.proxyUser", "livy.rsc.proxy_user", "spark.__livy__.livy.rsc.proxy-user", "livy.impersonation.enabled", "spark.kubernetes.namespace",
			"spark.kerberos.principal", "spark.yarn.principal", "spark.app.name", "spark.submit.proxyUser.allowCustomClasspathInClusterMode", "spark.hadoop.hadoop.proxyuser.root.hosts"), p.pick("hdfs", "root.admin", "evil"+marker))
	}
}

// dirty changes one text of the request by a few characters.
func (p *pieces) dirty(m map[string]any) {
	spoil := func(s string) string {
		at := p.rng.IntN(len(s) + 1)
		if p.chance(30) {
			return swapCase(s, p.rng)
		}
		return strings.ToValidUTF8(s[:at], "") + p.pick(" ", "\t", "\n", "\r", "\u0000", "\u0001", "\u007f", "\u0085", "\u00a0", "\u2028", "\ufeff", "=", ",", "#", "!", "\\", "%20", "%00", "'", `"`, "é", "ｅ", "$", "{", "--", "/", "/../", ":") + strings.ToValidUTF8(s[at:], "")
	}
	names := slices.Sorted(maps.Keys(m))
	if len(names) == 0 {
		return
	}
	name := p.pick(names...)
	switch v := m[name].(type) {
	case string:
		m[name] = spoil(v)
	case []any:
		if len(v) > 0 {
			at := p.rng.IntN(len(v))
			if s, ok := v[at].(string); ok {
				v[at] = spoil(s)
			}
		}
	case map[string]any:
		keys := slices.Sorted(maps.Keys(v))
		if len(keys) == 0 {
			return
		}
		key := p.pick(keys...)
		old := v[key]
		if s, ok := old.(string); ok && p.chance(50) {
			v[key] = spoil(s)
			return
		}
		delete(v, key)
		v[spoil(key)] = old
	}
}
