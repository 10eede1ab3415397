package process

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"

	"github.com/livygateway/livygateway/internal/doctor"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/upstream"
)

// Examine looks at the state directory and at each engine's Livy, Spark, Java
// and Python.
func (r *Runtime) Examine(ctx context.Context, c *gateway.Catalog) []doctor.Result {
	results := []doctor.Result{r.examineStateDir(), doctor.Disk("disk of "+r.opts.StateDir, r.opts.StateDir), doctor.Ports()}
	for _, e := range c.Engines {
		results = append(results, examineEngine(ctx, e))
	}
	return results
}

// examineStateDir tries to write where the servers' files go.
func (r *Runtime) examineStateDir() doctor.Result {
	const check = "state directory"
	dir := r.opts.StateDir
	probe, err := os.CreateTemp(doctor.Existing(dir), ".livy-doctor-*")
	if err != nil {
		return doctor.Failure(check, fmt.Sprintf("%s cannot be written: %s", dir, err),
			"give it to the user that runs Caddy (chown), or choose another state_dir of runtime process")
	}
	_ = probe.Close()
	_ = os.Remove(probe.Name())
	return doctor.Good(check, "%s can be written", dir)
}

func examineEngine(ctx context.Context, e gateway.Engine) doctor.Result {
	check := "engine " + e.Name
	if _, err := checkEngine(e); err != nil {
		return doctor.Failure(check, err.Error(), "prepare an engine with make engine (scripts/prepare-engine DIR), and name its directories")
	}
	java := "java"
	if e.JavaHome != "" {
		java = filepath.Join(e.JavaHome, "bin", "java")
	}
	version, err := javaVersion(ctx, java)
	if err != nil {
		return doctor.Failure(check, err.Error(), "install Java 17 (apt install openjdk-17-jre-headless), or set the engine's java_home")
	}
	if e.Java != "" && e.Java != version {
		return doctor.Warning(check, fmt.Sprintf("%s is Java %s, and the engine says %s", java, version, e.Java), "set the engine's java_home, or correct its java")
	}
	if n, _ := strconv.Atoi(version); n > newestJava && e.Java == "" {
		return doctor.Warning(check, fmt.Sprintf("%s is Java %s, which is newer than Spark 3 supports", java, version),
			fmt.Sprintf("install Java %d and set the engine's java_home; write java %s into the engine if that is meant", newestJava, version))
	}
	python := e.Python
	if python == "" {
		python = "python3"
	}
	if _, err := exec.LookPath(python); err != nil {
		return doctor.Warning(check, fmt.Sprintf("there is no %s: PySpark cannot run", python), "install Python 3, or set the engine's python")
	}
	return doctor.Good(check, "Livy in %s, Spark in %s, Java %s", e.LivyHome, e.SparkHome, version)
}

// newestJava is the newest that Spark 3 runs on.
const newestJava = 17

var javaPattern = regexp.MustCompile(`version "(?:1\.)?(\d+)`)

// javaVersion asks a Java for its major version, e.g. "17".
func javaVersion(ctx context.Context, java string) (string, error) {
	out, err := exec.CommandContext(ctx, java, "-version").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s -version: %w", java, err)
	}
	found := javaPattern.FindSubmatch(out)
	if found == nil {
		return "", fmt.Errorf("%s -version says %.100q, and no version", java, out)
	}
	return string(found[1]), nil
}

// Interface guard
var _ upstream.Examiner = (*Runtime)(nil)
