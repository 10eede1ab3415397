package process

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"

	"github.com/livygateway/livygateway/internal/doctor"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/upstream"
)

// Examine checks the state directory and each engine's Livy, Spark, Java and Python.
func (r *Runtime) Examine(ctx context.Context, c *gateway.Catalog) []doctor.Result {
	results := []doctor.Result{
		r.examineStateDir(), doctor.Disk("disk of "+r.opts.StateDir, r.opts.StateDir),
		doctor.Ports(),
	}
	results = append(results, doctor.Sizes(c, runtime.NumCPU(), doctor.MachineMemory())...)
	results = append(results, r.examineBounds())
	results = append(results, r.examineService(ctx)...)
	results = append(results, r.examineUsers(ctx, c)...)
	for _, e := range c.Engines {
		results = append(results, examineEngine(ctx, e))
		results = append(results, examineArchives(ctx, e, javaOf(e))...)
	}
	return results
}

// examineStateDir checks that the directory of the servers' files is writable.
func (r *Runtime) examineStateDir() doctor.Result {
	const check = "state directory"
	dir := r.opts.StateDir
	probe, err := os.CreateTemp(doctor.Existing(dir), ".livy-doctor-*")
	if err != nil {
		return doctor.Failure(check, fmt.Sprintf("%s is not writable: %s", dir, err),
			"make the user that runs Caddy its owner (chown), or set another state_dir in runtime process")
	}
	_ = probe.Close()
	_ = os.Remove(probe.Name())
	return doctor.Good(check, "%s is writable", dir)
}

// examineBounds checks whether the memory of drivers is limited.
func (r *Runtime) examineBounds() doctor.Result {
	const check = "memory of drivers"
	if r.opts.Cgroup == NoCgroup {
		return doctor.Warning(check, "not limited: cgroup is off in runtime process",
			"remove cgroup off, or limit it by policy rules (max spark.driver.memory) and a limit on sessions")
	}
	c, err := r.findBounds()
	if err == nil {
		// The directory may exist but belong to another user.
		var probe group
		if probe, err = c.create(r.groupName("doctor", int64(os.Getpid())), 0, 0); err == nil {
			err = probe.remove()
		}
	}
	switch {
	case err == nil && c.v2:
		return doctor.Good(check, "limited together with Livy's by cgroups below %s", c.memory)
	case err == nil:
		return doctor.Good(check, "limited together with Livy's by cgroups (version 1) below %s", c.memory)
	case r.opts.Cgroup != "":
		return doctor.Failure(check,
			fmt.Sprintf("cannot create cgroups below %s, so no server starts: %s", r.opts.Cgroup, err),
			"fix the option cgroup of runtime process, or let systemd delegate it (Delegate=yes); without the option servers start without limits")
	}
	return doctor.Warning(check,
		fmt.Sprintf("not limited, because no cgroup can be created: %s; drivers can use up this machine's memory",
			err),
		"run Caddy as root, or delegate a cgroup to it (systemd: Delegate=yes and DelegateSubgroup=caddy; option cgroup of runtime process); "+
			"or limit drivers by policy rules (max spark.driver.memory) and a limit on sessions")
}

// examineUsers checks whether jobs are kept from Caddy's files and from other gateways' servers.
func (r *Runtime) examineUsers(ctx context.Context, c *gateway.Catalog) (results []doctor.Result) {
	const users, addresses = "users of servers", "addresses of servers"
	for _, a := range append(slices.Clone(r.pool[:min(1, len(r.pool))]), r.one) { // the others are like the first
		for _, e := range c.Engines {
			if err := a.reaches(ctx, append(engineFiles(e), doctor.Existing(r.opts.StateDir))...); err != nil {
				results = append(results,
					doctor.Failure(users, err.Error(),
						"grant access to it, or move it; then run the doctor again"))
			}
		}
	}
	switch {
	case len(results) > 0:
	case len(r.pool) > 0:
		results = append(results,
			doctor.Good(users, "each gateway's server runs as its own user, one of %d", len(r.pool)))
	case r.one.other() && r.one.uid() != 0:
		results = append(results, doctor.Good(users,
			"all gateways' servers run as %s; with users livygw[1-20] jobs could not access other gateways' sessions and files", r.one.name))
	case os.Geteuid() == 0:
		results = append(results, doctor.Warning(users, "Livy servers, and so all jobs, run as root",
			"set the option user (or users) of runtime process; create one with useradd --system livygateway"))
	default:
		results = append(results,
			doctor.Warning(users,
				"Livy servers, and so all jobs, run as Caddy's own user: jobs can read Caddy's files and impersonate it",
				"run Caddy as root with user or users in runtime process (only root can start processes of other users), or use runtime docker"))
	}
	if len(r.pool) > 0 {
		results = append(results, r.examineGuard(addresses))
	}
	return results
}

// examineGuard checks whether the servers' addresses are closed to others.
func (r *Runtime) examineGuard(check string) doctor.Result {
	r.mu.Lock()
	defer r.mu.Unlock()
	g := r.guarded()
	there, err := g.present()
	switch {
	case err != nil:
		return doctor.Warning(check,
			fmt.Sprintf("every process on this machine can access each gateway's Livy: the kernel's packet filter is not available: %s", err),
			"give Caddy CAP_NET_ADMIN, and load nf_tables (modprobe nf_tables); in a container: --cap-add NET_ADMIN")
	case there:
		return doctor.Good(check, "table ip %s of nftables restricts each to its own user and root", g.name)
	case len(r.notedUsers("")) > 0:
		return doctor.Warning(check,
			"table ip "+g.name+" of nftables is missing: every process on this machine can access each gateway's Livy",
			fmt.Sprintf("it is created again within %s; make the program that loads the firewall keep other tables (no flush ruleset)", guardEvery))
	}
	return doctor.Good(check, "table ip %s of nftables is created when the first server starts", g.name)
}

func examineEngine(ctx context.Context, e gateway.Engine) doctor.Result {
	check := "engine " + e.Name
	if _, err := checkEngine(e); err != nil {
		return doctor.Failure(check, err.Error(),
			"prepare an engine with make engine (scripts/prepare-engine DIR), and set its directories")
	}
	java := javaOf(e)
	version, err := javaVersion(ctx, java)
	if err != nil {
		return doctor.Failure(check, err.Error(),
			"install Java 17 (apt install openjdk-17-jre-headless), or set the engine's java_home")
	}
	if e.Java != "" && e.Java != version {
		return doctor.Warning(check,
			fmt.Sprintf("%s is Java %s, but the engine is configured as %s", java, version,
				e.Java), "set the engine's java_home, or fix its java")
	}
	if n, _ := strconv.Atoi(version); n > newestJava && e.Java == "" {
		return doctor.Warning(check,
			fmt.Sprintf("%s is Java %s, which is newer than Spark 3 supports", java, version),
			fmt.Sprintf("install Java %d and set the engine's java_home; if this is intended, set java %s in the engine", newestJava, version))
	}
	python := e.Python
	if python == "" {
		python = "python3"
	}
	if _, err := exec.LookPath(python); err != nil {
		return doctor.Warning(check, fmt.Sprintf("%s does not exist: PySpark cannot run", python),
			"install Python 3, or set the engine's python")
	}
	return doctor.Good(check, "Livy in %s, Spark in %s, Java %s", e.LivyHome, e.SparkHome, version)
}

// javaOf returns the Java that an engine runs on.
func javaOf(e gateway.Engine) string {
	if e.JavaHome == "" {
		return "java"
	}
	return filepath.Join(e.JavaHome, "bin", "java")
}

// newestJava is the newest Java version that Spark 3 supports.
const newestJava = 17

var javaPattern = regexp.MustCompile(`version "(?:1\.)?(\d+)`)

// javaVersion returns the major version of a Java, e.g. "17".
func javaVersion(ctx context.Context, java string) (string, error) {
	out, err := exec.CommandContext(ctx, java, "-version").CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s -version: %w", java, err)
	}
	found := javaPattern.FindSubmatch(out)
	if found == nil {
		return "", fmt.Errorf("%s -version printed %.100q, which has no version", java, out)
	}
	return string(found[1]), nil
}

// Interface guard
var _ upstream.Examiner = (*Runtime)(nil)
