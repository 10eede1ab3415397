package caddymodule

import (
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/doctor"
	"github.com/livygateway/livygateway/internal/gateway"
)

// A configuration names files and directories that are used only when a gateway starts. That one
// is missing does not refuse the configuration, since a file system may be mounted later: it is
// logged when the configuration is loaded, and reported by the doctor.

// fileProblem is a file or directory of the configuration that cannot be used.
type fileProblem struct {
	entry string // the option and the name of its entry, e.g. "environment analytics"
	text  string
	// failed is set if gateways that use the entry cannot start.
	failed bool
	// unsure is set if the Docker engine may see other files than this process, which is in a
	// container.
	unsure bool
}

// fileProblems checks the files and directories that the configuration names, as far as they are
// on this machine.
func (a *App) fileProblems() []fileProblem {
	c := fileCheck{app: a}
	_, c.process = a.runtime.(*ProcessRuntime)
	d, docker := a.runtime.(*DockerRuntime)
	c.here = c.process || docker && d.local()
	c.unsure = docker && inContainer()
	if !c.process && !docker {
		return nil // runtime static gives no files to its servers
	}
	for _, e := range a.Environments {
		c.environment(e)
	}
	for _, d := range a.Directories {
		c.directory(d)
	}
	for _, cluster := range a.Clusters {
		if cluster.ConfDir != "" {
			c.dir("cluster "+cluster.Name, "conf_dir", cluster.ConfDir, true, true)
		}
	}
	if c.process { // in a container, they are the image's
		for _, dir := range a.LocalDirs {
			c.dir("local_dir", "", dir, false, false)
		}
	}
	return c.found
}

// local reports whether the Docker engine is on this machine.
func (d *DockerRuntime) local() bool {
	host := d.Host
	if host == "" {
		host = os.Getenv("DOCKER_HOST")
	}
	return host == "" || strings.HasPrefix(host, "unix://")
}

// inContainer reports whether this process is in a container.
var inContainer = func() bool {
	return slices.ContainsFunc([]string{"/.dockerenv", "/run/.containerenv"}, func(mark string) bool {
		_, err := os.Stat(mark)
		return err == nil
	})
}

type fileCheck struct {
	app *App
	// process is set for runtime process. here is set if servers find the files of this machine,
	// unsure if they may be others than those that this process sees.
	process, here, unsure bool
	found                 []fileProblem
}

// add adds a problem. read is set for what this process itself reads.
func (c *fileCheck) add(entry string, failed, read bool, text string) {
	c.found = append(c.found, fileProblem{entry: entry, text: text, failed: failed, unsure: c.unsure && !read})
}

// stat returns the reason why a path is not what it should be, or "".
func stat(path string, dir bool) string {
	info, err := os.Stat(path)
	switch {
	case os.IsNotExist(err):
		return path + " does not exist"
	case err != nil:
		return err.Error()
	case dir != info.IsDir() && dir:
		return path + " is not a directory"
	case dir != info.IsDir():
		return path + " is a directory"
	}
	return ""
}

func (c *fileCheck) dir(entry, option, path string, failed, read bool) {
	if problem := stat(path, true); problem != "" {
		if option != "" {
			problem = option + ": " + problem
		}
		c.add(entry, failed, read, problem)
	}
}

// environment checks dir and the files of an environment. Archives in dir are unpacked by this
// process, the other files are read by jobs.
func (c *fileCheck) environment(e gateway.Environment) {
	entry := "environment " + e.Name
	if c.here && e.Dir != "" {
		if problem := stat(e.Dir, true); problem != "" {
			c.add(entry, true, false, "dir: "+problem)
			return // its files are missing too
		}
	}
	for _, list := range []struct {
		option string
		uris   []string
	}{{"py_files", e.PyFiles}, {"jars", e.Jars}, {"files", e.Files}, {"archives", e.Archives}} {
		for _, uri := range e.Resolve(list.uris) {
			path := localPath(uri)
			unpacked := slices.ContainsFunc(e.PackedIn(), func(p struct{ Path, Name string }) bool {
				return list.option == "archives" && p.Path == path
			})
			// A container has the files of dir only; others are the image's.
			seen := c.process || c.here && within(e.Dir, path)
			if path == "" || !seen && !unpacked {
				continue
			}
			if problem := stat(path, false); problem != "" {
				c.add(entry, unpacked, unpacked, list.option+": "+problem)
			}
		}
	}
}

func (c *fileCheck) directory(d gateway.Directory) {
	entry := "directory " + d.Name
	if c.process { // servers find directories where the machine has them
		c.dir(entry, "path", d.Path, true, false)
		return
	}
	if c.here && (d.Type == gateway.DirectoryLocal || d.Type == gateway.DirectoryOSS) {
		c.dir(entry, "source", d.Source, true, false)
	}
}

// localPath returns the path of a file URI, or "" for other URIs.
func localPath(uri string) string {
	uri, _, _ = strings.Cut(uri, "#")
	rest, ok := strings.CutPrefix(uri, "file:")
	if !ok {
		return ""
	}
	path, err := url.PathUnescape(rest)
	if err != nil || strings.HasPrefix(path, "//") && !strings.HasPrefix(path, "///") {
		return ""
	}
	return filepath.Clean("/" + strings.TrimLeft(path, "/"))
}

func within(dir, path string) bool {
	return dir != "" && strings.HasPrefix(path, strings.TrimSuffix(dir, "/")+"/")
}

// warnOfFiles logs what is wrong with files and directories.
func (a *App) warnOfFiles() {
	for _, p := range a.fileProblems() {
		if p.unsure {
			continue
		}
		a.log.Warn("a file or directory of the configuration cannot be used",
			zap.String("in", p.entry), zap.String("problem", p.text))
	}
}

// examineFiles reports what is wrong with files and directories.
func (p *patient) examineFiles() (results []doctor.Result) {
	for _, f := range p.app.fileProblems() {
		mend := "create or mount it, or correct the configuration; then run the doctor again"
		if f.unsure {
			results = append(results, doctor.Warning(f.entry, f.text+", as far as Caddy sees, which is in a container",
				"make sure that it exists where the Docker engine runs; mount it into Caddy's container at the same path "+
					"so that it can be checked"))
			continue
		}
		if f.failed {
			results = append(results, doctor.Failure(f.entry, f.text+": gateways that use it do not start", mend))
		} else {
			results = append(results, doctor.Warning(f.entry, f.text+": jobs that need it fail", mend))
		}
	}
	return results
}
