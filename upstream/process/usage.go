package process

import (
	"context"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/upstream"
)

// Usage returns what the gateway's processes use; see upstream.Meter. It asks the server's cgroups,
// and sums up its processes for what these do not count.
func (r *Runtime) Usage(ctx context.Context, serverID string) (upstream.Usage, error) {
	inst, ok, err := r.Find(ctx, serverID)
	if err != nil {
		return upstream.Usage{}, err
	}
	if !ok || !inst.Running {
		return upstream.Usage{}, gateway.Errorf(gateway.KindNotFound, "gateway %s has no running process", serverID)
	}
	s, _, err := r.dirs(serverID, inst.Epoch).readState()
	if err != nil {
		return upstream.Usage{}, fmt.Errorf("reading the state of gateway %s: %w", serverID, err)
	}
	u := upstream.Usage{Instance: inst.ID}
	var knownCPU, knownMemory bool
	u.CPUSeconds, knownCPU = group(s.Cgroups).cpuSeconds()
	u.MemoryBytes, knownMemory = group(s.Cgroups).memoryBytes()
	if knownCPU && knownMemory {
		return u, nil
	}
	cpu, memory := usageOf(r.members(serverID, inst.Epoch))
	if !knownCPU {
		u.CPUSeconds = cpu
	}
	if !knownMemory {
		u.MemoryBytes = memory
	}
	return u, nil
}

// cpuSeconds returns the CPU time of a cgroup, if one of its hierarchies counts it.
func (g group) cpuSeconds() (float64, bool) {
	for _, dir := range g {
		if usec, ok := field(filepath.Join(dir, "cpu.stat"), "usage_usec"); ok { // version 2
			return float64(usec) / 1e6, true
		}
		if nsec, ok := number(filepath.Join(dir, "cpuacct.usage")); ok {
			return float64(nsec) / 1e9, true
		}
	}
	return 0, false
}

// memoryBytes returns the memory that a cgroup uses, without the inactive part of the file cache.
func (g group) memoryBytes() (int64, bool) {
	for _, dir := range g {
		used, ok := number(filepath.Join(dir, "memory.current")) // version 2
		cached := "inactive_file"
		if !ok {
			used, ok = number(filepath.Join(dir, "memory.usage_in_bytes"))
			cached = "total_inactive_file"
		}
		if !ok {
			continue
		}
		if cache, _ := field(filepath.Join(dir, "memory.stat"), cached); cache < used {
			used -= cache
		}
		return used, true
	}
	return 0, false
}

// number reads a file with one number.
func number(file string) (int64, bool) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64)
	return n, err == nil
}

// field reads the number after a name in a file with a name and a number in each line.
func field(file, name string) (int64, bool) {
	text, err := os.ReadFile(file)
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(text)) {
		if key, value, ok := strings.Cut(strings.TrimSpace(line), " "); ok && key == name {
			n, err := strconv.ParseInt(value, 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}

// ticksPerSecond is the unit of CPU times in /proc on all architectures that Go supports.
const ticksPerSecond = 100

// usageOf sums up processes: their CPU time with that of children that have ended, and their
// memory, in which pages that several of them share count several times.
func usageOf(pids []int) (cpuSeconds float64, memory int64) {
	for _, pid := range pids {
		fields, err := stat(pid)
		if err != nil || len(fields) < 22 {
			continue // it has ended
		}
		for _, text := range fields[11:15] { // user and system time, its own and its children's
			ticks, _ := strconv.ParseFloat(text, 64)
			cpuSeconds += ticks / ticksPerSecond
		}
		pages, _ := strconv.ParseInt(fields[21], 10, 64)
		memory += min(pages, math.MaxInt32) * int64(os.Getpagesize())
	}
	return cpuSeconds, memory
}

// Interface guard
var _ upstream.Meter = (*Runtime)(nil)
