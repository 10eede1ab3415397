package process

import (
	"errors"
	"fmt"
	"hash/fnv"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/upstream"
)

// maxProcesses bounds the processes and threads of a server with its drivers, against fork
// bombs.
const maxProcesses = 8192

// cpuPeriod is the period of the CPU limit, in microseconds.
const cpuPeriod = 100000

// driverScore is the OOM score adjustment of processes other than the Livy server, so that the
// kernel kills a driver rather than the server when the gateway's memory is used up.
const driverScore = 500

// group is the cgroup of a server and its processes: its directories, beginning with the one
// that limits memory.
type group []string

// findBounds finds the directories for the servers' cgroups. It is called at each start,
// because the result may change.
func (r *Runtime) findBounds() (*cgroups, error) {
	system, err := r.cgroupSystem()
	if err != nil {
		return nil, err
	}
	return findCgroups(system, r.opts.Cgroup)
}

// bound creates the cgroup of a server that is about to start. If that is impossible it logs
// so once and returns none, unless the operator named a cgroup.
func (r *Runtime) bound(l upstream.Launch) (group, error) {
	if r.opts.Cgroup == NoCgroup {
		return nil, nil
	}
	c, err := r.findBounds()
	var g group
	if err == nil {
		r.sweep(c, l.ServerID(), l.Epoch)
		g, err = c.create(r.groupName(l.ServerID(), l.Epoch), l.Memory, l.CPU)
	}
	switch {
	case err == nil:
		return g, nil
	case r.opts.Cgroup != "":
		return nil, gateway.Wrap(gateway.KindUnavailable, "creating a cgroup below "+r.opts.Cgroup, err)
	}
	r.unbounded.Do(func() {
		r.logger.Warn("cannot create cgroups for Livy servers, so the memory of drivers is not limited; "+
			"run caddy livy doctor", zap.Error(err))
	})
	return nil, nil
}

// create creates a cgroup with limits in each hierarchy. memory is in bytes.
func (c *cgroups) create(name string, memory int64, cpu int) (group, error) {
	g := group{filepath.Join(c.memory, name)}
	for _, parent := range c.others {
		if dir := filepath.Join(parent, name); !slices.Contains(g, dir) {
			g = append(g, dir)
		}
	}
	for i, dir := range g {
		if err := os.Mkdir(dir, cgroupMode); err != nil && !errors.Is(err, fs.ErrExist) {
			return nil, errors.Join(err, g[:i].remove())
		}
	}
	if err := c.limit(name, memory, cpu); err != nil {
		return nil, errors.Join(err, g.remove())
	}
	return g, nil
}

// limit sets the limits. Only that of memory is required.
func (c *cgroups) limit(name string, memory int64, cpu int) error {
	bytes := strconv.FormatInt(memory, 10)
	quota := strconv.Itoa(cpu * cpuPeriod)
	set := func(parent, file, value string) error {
		return writeControl(filepath.Join(parent, name, file),
			value)
	}
	if memory > 0 {
		limit, swap, swapValue := "memory.limit_in_bytes", "memory.memsw.limit_in_bytes", bytes
		if c.v2 {
			limit, swap, swapValue = "memory.max", "memory.swap.max", "0"
		}
		if err := set(c.memory, limit, bytes); err != nil {
			return fmt.Errorf("limiting the memory: %w", err)
		}
		_ = set(c.memory, swap, swapValue) // missing if swap accounting is off
	}
	if dir, ok := c.others["cpu"]; ok && cpu > 0 {
		if c.v2 {
			_ = set(dir, "cpu.max", quota+" "+strconv.Itoa(cpuPeriod))
		} else {
			_ = set(dir, "cpu.cfs_period_us", strconv.Itoa(cpuPeriod))
			_ = set(dir, "cpu.cfs_quota_us", quota)
		}
	}
	if dir, ok := c.others["pids"]; ok {
		_ = set(dir, "pids.max", strconv.Itoa(maxProcesses))
	}
	return nil
}

// add moves a process into the cgroup, together with all processes that it starts from then on.
func (g group) add(pid int) error {
	for i, dir := range g {
		if err := writeControl(filepath.Join(dir, "cgroup.procs"), strconv.Itoa(pid)); err != nil && i == 0 {
			return fmt.Errorf("moving process %d into its cgroup: %w", pid, err)
		}
	}
	return nil
}

// pids returns the processes in the cgroup.
func (g group) pids() (all []int) {
	for _, dir := range g {
		for _, word := range words(filepath.Join(dir, "cgroup.procs")) {
			if pid, err := strconv.Atoi(word); err == nil && pid > 1 && pid != os.Getpid() {
				all = append(all, pid)
			}
		}
	}
	return all
}

// remove removes the cgroup. Its processes have ended, but the kernel may need a moment until
// the cgroup is empty.
func (g group) remove() error {
	var errs []error
	for _, dir := range g {
		err := syscall.Rmdir(dir)
		for range 50 {
			if !errors.Is(err, syscall.EBUSY) {
				break
			}
			time.Sleep(10 * time.Millisecond)
			err = syscall.Rmdir(dir)
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, fmt.Errorf("removing cgroup %s: %w", dir, err))
		}
	}
	return errors.Join(errs...)
}

// groupName returns a name that is unique to the installation, gateway and run.
func (r *Runtime) groupName(serverID string, epoch int64) string {
	return r.groupNames(serverID) + strconv.FormatInt(epoch, 10)
}

func (r *Runtime) groupNames(serverID string) string {
	h := fnv.New32a()
	_, _ = h.Write([]byte(r.opts.StateDir))
	return fmt.Sprintf("%08x-%s-", h.Sum32(), serverID)
}

// sweep removes empty cgroups of a gateway, up to an epoch, that no state file names: those of
// starts that failed early.
func (r *Runtime) sweep(c *cgroups, serverID string, upTo int64) {
	prefix := r.groupNames(serverID)
	for _, parent := range append([]string{c.memory}, sortedValues(c.others)...) {
		entries, _ := os.ReadDir(parent)
		for _, e := range entries {
			text, ok := strings.CutPrefix(e.Name(), prefix)
			if epoch, err := strconv.ParseInt(text, 10, 64); ok && err == nil && epoch <= upTo {
				_ = syscall.Rmdir(filepath.Join(parent, e.Name()))
			}
		}
	}
}

func sortedValues(m map[string]string) (all []string) {
	for _, v := range m {
		all = append(all, v)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// preferDrivers makes the kernel kill drivers before the server when memory is used up.
// Children inherit the server's score, so it is set for each of them.
func (s state) preferDrivers() {
	if len(s.Cgroups) == 0 {
		return
	}
	for _, pid := range group(s.Cgroups[:1]).pids() {
		if pid == s.PID {
			continue
		}
		file := fmt.Sprintf("/proc/%d/oom_score_adj", pid)
		if now := words(file); len(now) == 1 && now[0] == "0" {
			_ = writeControl(file, strconv.Itoa(driverScore)) // it may have ended
		}
	}
}

// dropBounds removes the cgroups of servers that have ended, up to an epoch.
func (r *Runtime) dropBounds(serverID string, upTo int64) error {
	epochs, err := r.epochs(serverID)
	for _, epoch := range epochs {
		if epoch > upTo {
			continue
		}
		if s, ok, stateErr := r.dirs(serverID, epoch).readState(); stateErr == nil && ok {
			err = errors.Join(err, group(s.Cgroups).remove())
		}
	}
	return err
}
