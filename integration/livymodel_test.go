package integration

import (
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// livyLists are the settings that Livy 0.8.0 takes for lists of files: it resolves
// each and puts its fields' before them.
var livyLists = []string{
	"spark.jars", "spark.files", "spark.yarn.dist.archives", "spark.submit.pyFiles",
	"spark.yarn.archive", "spark.yarn.dist.files", "spark.yarn.dist.jars", "spark.yarn.jar", "spark.yarn.jars",
}

// allowedByLivy are the recording server's own allowed directories.
var allowedByLivy = []string{"/allowed/", "/opt/env/", "/user/"}

// modelBatch is what Livy 0.8.0 calls spark-submit with for a batch, without a
// Livy: a hundred times as fast. The order of --conf is Livy's own and not
// modelled. ok is false where Livy refuses the batch. What it says is compared
// with a real Livy wherever it is used.
func modelBatch(c *create) (args []string, ok bool) {
	conf := map[string]string{}
	for _, refused := range []string{"spark.master", "spark.submit.deployMode"} {
		if _, given := c.Conf[refused]; given {
			return nil, false
		}
	}
	maps.Copy(conf, c.Conf)
	fields := map[string][]string{
		"spark.jars": c.Jars, "spark.files": c.Files, "spark.yarn.dist.archives": c.Archives, "spark.submit.pyFiles": c.PyFiles,
	}
	for _, key := range livyLists {
		list := slices.Clone(fields[key])
		if text, given := c.Conf[key]; given {
			list = append(list, strings.FieldsFunc(text, func(r rune) bool { return r == ',' || r == ' ' })...)
		}
		for i := range list {
			if list[i], ok = modelURI(list[i]); !ok {
				return nil, false
			}
		}
		if len(list) > 0 {
			conf[key] = strings.Join(list, ",")
		}
	}
	conf["spark.master"] = recorderMaster
	for _, f := range []struct{ field, key, value string }{
		{"driverMemory", "spark.driver.memory", c.DriverMemory},
		{"executorMemory", "spark.executor.memory", c.ExecutorMemory},
		{"driverCores", "spark.driver.cores", strconv.FormatInt(c.DriverCores, 10)},
		{"executorCores", "spark.executor.cores", strconv.FormatInt(c.ExecutorCores, 10)},
		{"numExecutors", "spark.executor.instances", strconv.FormatInt(c.NumExecutors, 10)},
	} {
		if c.given[f.field] != nil {
			conf[f.key] = f.value
		}
	}
	file, ok := modelURI(c.File)
	if !ok {
		return nil, false
	}
	option := func(name, field, value string) {
		if c.given[field] != nil {
			args = append(args, name, value)
		}
	}
	option("--name", "name", c.Name)
	option("--class", "className", c.ClassName)
	for _, key := range slices.Sorted(maps.Keys(conf)) {
		if key == "spark.submit.pyFiles" {
			args = append(args, "--py-files", conf[key])
		} else {
			args = append(args, "--conf", key+"="+conf[key])
		}
	}
	option("--proxy-user", "proxyUser", c.ProxyUser)
	option("--queue", "queue", c.Queue)
	args = append(args, file)
	return append(args, c.Args...), true
}

var badURI = regexp.MustCompile("[\\x00-\\x20\\x7f-\\xa0\"<>\\\\^`{|}]|^[^:]*:?/.*[\\[\\]]|\\p{Z}|%([^0-9A-Fa-f]|.?$|.[^0-9A-Fa-f])|#.*#|^[^/:]*:/*$|^[^A-Za-z/]")

// modelURI resolves as Livy does on a machine whose default file system is the
// local one.
func modelURI(uri string) (string, bool) {
	// What java.net.URI does not read.
	if badURI.MatchString(uri) || !strings.Contains(uri, ":") && !strings.HasPrefix(uri, "/") {
		return "", false
	}
	if strings.HasPrefix(uri, "/") {
		uri = "file://" + uri
	}
	if rest, local := strings.CutPrefix(uri, "file:"); local {
		p := "/" + strings.TrimLeft(rest, "/")
		p, _, _ = strings.Cut(p, "#")
		return uri, slices.ContainsFunc(allowedByLivy, func(dir string) bool { return strings.HasPrefix(p, dir) })
	}
	return uri, true
}

// sameCall compares a call with the model's, but for the order of --conf and
// --py-files, which Livy keeps in a hash map.
func sameCall(got, want []string) bool {
	return slices.Equal(sortConf(got), sortConf(want))
}

func sortConf(args []string) []string {
	var conf, rest []string
	i := 0
	for ; i+1 < len(args) && strings.HasPrefix(args[i], "--"); i += 2 {
		if args[i] == "--conf" || args[i] == "--py-files" {
			conf = append(conf, args[i]+" "+args[i+1])
		} else {
			rest = append(rest, args[i], args[i+1])
		}
	}
	slices.Sort(conf)
	return slices.Concat(conf, rest, args[i:])
}
