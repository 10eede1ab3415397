package process

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/livygateway/livygateway/internal/doctor"
)

// fewThreads is a bound on processes and threads that a few sessions reach: a Livy
// server has about 100, each driver about 200.
const fewThreads = 4096

// service is what the doctor looks at of the service that Caddy runs as.
type service struct {
	// threads is RLIMIT_NPROC, which servers inherit; RLIM_INFINITY for none.
	threads uint64
	// exempt reports whether servers run as root, whom RLIMIT_NPROC does not bind.
	exempt bool
	// cgroup is Caddy's own, servers is that of its servers, the same one if they have
	// none of their own; as /proc/PID/cgroup writes them.
	cgroup, servers string
	// pids are the bounds of processes and threads of cgroups, "max" for none.
	pids []string
	// killMode asks systemd for the KillMode of a unit.
	killMode func(ctx context.Context, unit string) (string, error)
}

// examineService looks at what the service that Caddy runs as does to its servers.
func (r *Runtime) examineService(ctx context.Context) []doctor.Result {
	var limit unix.Rlimit
	s := service{threads: unix.RLIM_INFINITY, killMode: askKillMode}
	if err := unix.Getrlimit(unix.RLIMIT_NPROC, &limit); err == nil {
		s.threads = limit.Cur
	}
	s.exempt = os.Geteuid() == 0 && len(r.pool) == 0 && (!r.one.other() || r.one.uid() == 0)
	text, _ := os.ReadFile("/proc/self/cgroup")
	s.cgroup = serviceCgroup(string(text))
	s.servers = s.cgroup
	system, err := thisMachine()
	if err == nil {
		for _, m := range system.mounts {
			if m.v2 || slices.Contains(m.controllers, "pids") {
				s.pids = append(s.pids, pidsBounds(m.dir, s.cgroup)...)
			}
		}
		if c, err := r.findBounds(); err == nil && c.v2 {
			for _, m := range system.mounts {
				if place, ok := strings.CutPrefix(c.memory, m.dir); ok && m.v2 {
					s.servers = place
					s.pids = pidsBounds(m.dir, place)
				}
			}
		}
	}
	return s.judge(ctx)
}

// serviceCgroup reads a /proc/PID/cgroup: the place in systemd's hierarchy, or in that of
// version 2.
func serviceCgroup(text string) string {
	place := ""
	for line := range strings.Lines(text) {
		if p, ok := strings.CutPrefix(strings.TrimSpace(line), "0::"); ok && place == "" {
			place = p
		}
		if _, p, ok := strings.Cut(strings.TrimSpace(line), ":name=systemd:"); ok && p != "/" {
			place = p
		}
	}
	return place
}

// pidsBounds are the bounds of a cgroup and of all above it.
func pidsBounds(root, cgroup string) (all []string) {
	for dir := filepath.Join(root, cgroup); strings.HasPrefix(dir, root); dir = filepath.Dir(dir) {
		all = append(all, words(filepath.Join(dir, "pids.max"))...)
	}
	return all
}

func (s *service) judge(ctx context.Context) []doctor.Result {
	return []doctor.Result{s.judgeThreads(), s.judgeKill(ctx)}
}

func (s *service) judgeThreads() doctor.Result {
	const check = "processes and threads"
	least, name, mend := uint64(unix.RLIM_INFINITY), "", ""
	if !s.exempt && s.threads < least {
		least, name, mend = s.threads, "for each user (RLIMIT_NPROC)", "LimitNPROC=infinity in Caddy's unit, or ulimit -u in the shell that starts it"
	}
	for _, text := range s.pids {
		if n, err := strconv.ParseUint(text, 10, 64); err == nil && n < least {
			least, name, mend = n, "in the cgroup (pids.max)", "TasksMax=infinity in Caddy's unit; of a container: --pids-limit"
		}
	}
	if least < fewThreads {
		return doctor.Warning(check, fmt.Sprintf("at most %d %s: a Livy server takes about 100, each session or batch about 200, and one that gets no more ends with all its sessions", least, name), mend)
	}
	if name == "" {
		return doctor.Good(check, "no limit")
	}
	return doctor.Good(check, "at most %d %s", least, name)
}

// judgeKill looks at whether systemd ends the servers together with Caddy.
func (s *service) judgeKill(ctx context.Context) doctor.Result {
	const check = "servers over a restart"
	unit, ok := unitOf(s.cgroup)
	if !ok {
		return doctor.Good(check, "Caddy is no service of systemd")
	}
	if other, ok := unitOf(s.servers); !ok || other != unit {
		return doctor.Good(check, "servers are in cgroup %s, which does not end with %s", s.servers, unit)
	}
	mode, err := s.killMode(ctx, unit)
	const mend = "KillMode=process in Caddy's unit (systemctl edit caddy); docs/systemd.md has one"
	switch {
	case err != nil:
		return doctor.Warning(check, fmt.Sprintf("servers share the service %s with Caddy, and whether they end with it cannot be asked: %s", unit, err), "make sure of "+mend)
	case mode == "process" || mode == "none":
		return doctor.Good(check, "they outlive Caddy: %s has KillMode=%s", unit, mode)
	}
	return doctor.Warning(check, fmt.Sprintf("%s has KillMode=%s: when Caddy is restarted, systemd ends all Livy servers and their sessions", unit, mode), mend)
}

// unitOf is the service that a cgroup belongs to.
func unitOf(cgroup string) (string, bool) {
	for part := range strings.SplitSeq(cgroup, "/") {
		if strings.HasSuffix(part, ".service") && !strings.HasPrefix(part, "user@") {
			return part, true
		}
	}
	return "", false
}

func askKillMode(ctx context.Context, unit string) (string, error) {
	out, err := exec.CommandContext(ctx, "systemctl", "show", "--property=KillMode", "--value", unit).Output()
	mode := strings.TrimSpace(string(out))
	if err == nil && mode == "" {
		err = errors.New("systemctl does not know it")
	}
	return mode, err
}
