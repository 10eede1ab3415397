package process

import (
	"os"
	"os/exec"
	"path/filepath"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/upstream"
)

// checkEngine returns the path of the engine's server program.
func checkEngine(e gateway.Engine) (string, error) {
	const how = "must be a directory made by scripts/prepare-engine"
	server := filepath.Join(e.LivyHome, "bin", "livy-server")
	if info, err := os.Stat(server); e.LivyHome == "" || err != nil || info.Mode()&0o111 == 0 {
		return "", gateway.Invalid("engine "+e.Name+": livy home", e.LivyHome, how+" with bin/livy-server in it")
	}
	submit := filepath.Join(e.SparkHome, "bin", "spark-submit")
	if _, err := os.Stat(submit); e.SparkHome == "" || err != nil {
		return "", gateway.Invalid("engine "+e.Name+": spark home", e.SparkHome,
			how+" with bin/spark-submit in it")
	}
	if e.JavaHome != "" {
		if _, err := os.Stat(filepath.Join(e.JavaHome, "bin", "java")); err != nil {
			return "", gateway.Invalid("engine "+e.Name+": java home", e.JavaHome, "must contain bin/java")
		}
	} else if _, err := exec.LookPath("java"); err != nil {
		return "", gateway.Errorf(gateway.KindUnavailable,
			"engine %s: no java in PATH; install Java 17 or set the engine's java home", e.Name)
	}
	return server, nil
}

// checkMachine checks that the machine has what a container would get by mounts and networks.
func checkMachine(l upstream.Launch) error {
	if l.Network != "" {
		return gateway.Invalid("network", l.Network,
			"is a Docker network; runtime process uses the machine's network")
	}
	for _, d := range l.Directories {
		if info, err := os.Stat(d.Path); err != nil || !info.IsDir() {
			return gateway.Invalid("directory "+d.Name+": path", d.Path,
				"must exist on this machine: runtime process mounts nothing")
		}
	}
	if w := l.Warehouse; w.Path != "" {
		if info, err := os.Stat(filepath.Dir(w.Path)); err != nil || !info.IsDir() {
			return gateway.Invalid("directory "+w.Name+": path", filepath.Dir(w.Path),
				"must exist on this machine: runtime process mounts nothing")
		}
	}
	return nil
}

// engineFiles returns the files that a server's user must be able to read.
func engineFiles(e gateway.Engine) []string {
	all := []string{
		filepath.Join(e.LivyHome, "bin", "livy-server"),
		filepath.Join(e.SparkHome, "bin", "spark-submit"),
	}
	if e.JavaHome != "" {
		all = append(all, filepath.Join(e.JavaHome, "bin", "java"))
	}
	return all
}
