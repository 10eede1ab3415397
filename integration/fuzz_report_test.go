package integration

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/livygateway/livygateway/internal/livy"
)

// faultKind is the kind of a fault, by which findings are told apart.
func faultKind(fault string) string {
	_, fault, _ = strings.Cut(fault, ": ")
	kind, _, _ := strings.Cut(fault, ":")
	return kind
}

// report notes a finding that is not known yet, as small as it gets.
func (f *fuzzer) report(policy *fuzzPolicy, m map[string]any, on master, faults []string, bases map[string][]*verdict) {
	f.mu.Lock()
	var fresh []string
	for _, fault := range faults {
		if key := faultKind(fault); !f.found[key] {
			f.found[key] = true
			fresh = append(fresh, fault)
		}
	}
	f.mu.Unlock()
	for _, fault := range fresh {
		small := m
		if _, batch := m["file"]; batch {
			small = f.minimize(policy, m, on, faultKind(fault), bases)
		}
		body, err := json.Marshal(small)
		if err != nil {
			f.fail(err)
			return
		}
		f.mu.Lock()
		f.findings = append(f.findings, fmt.Sprintf("policy %q, %s %s: %s\n%s", policy.name, on.url, on.deployMode, fault, body))
		f.mu.Unlock()
	}
}

// minimize leaves out of a batch what the fault does not need.
func (f *fuzzer) minimize(policy *fuzzPolicy, m map[string]any, on master, kind string, bases map[string][]*verdict) map[string]any {
	still := func(m map[string]any) bool {
		r := f.pass(policy, livy.KindBatch, m)
		if r == nil {
			return false
		}
		faults, _, err := f.batch(policy, r, on, bases, true)
		return err == nil && slices.ContainsFunc(faults, func(s string) bool { return faultKind(s) == kind })
	}
	for again := true; again; {
		again = false
		for _, name := range slices.Sorted(maps.Keys(m)) {
			for _, less := range smaller(m, name) {
				if still(less) {
					m, again = less, true
					break
				}
			}
		}
	}
	return m
}

// smaller are the requests with one thing less under a name.
func smaller(m map[string]any, name string) []map[string]any {
	if name == "file" {
		return nil // without one it is no batch
	}
	without := clone(m)
	delete(without, name)
	out := []map[string]any{without}
	switch v := m[name].(type) {
	case map[string]any:
		for _, key := range slices.Sorted(maps.Keys(v)) {
			less := clone(m)
			delete(less[name].(map[string]any), key)
			out = append(out, less)
		}
	case []any:
		for i := range v {
			less := clone(m)
			less[name] = slices.Delete(slices.Clone(v), i, i+1)
			out = append(out, less)
		}
	}
	return out
}

// ownTime is the CPU time of this process.
func ownTime() time.Duration {
	var used syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &used) != nil {
		return 0
	}
	return time.Duration(used.Utime.Nano() + used.Stime.Nano())
}

// groupTime is the CPU time of the processes of a group and of their children that ended.
func groupTime(group int) time.Duration {
	all, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return 0
	}
	var sum time.Duration
	for _, dir := range all {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		if of, err := syscall.Getpgid(pid); err == nil && of == group {
			sum += processTime(pid)
		}
	}
	return sum
}

// processTime is the CPU time of a process and of its children that ended.
func processTime(pid int) time.Duration {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	var ticks int64
	for _, field := range fields[11:15] {
		n, _ := strconv.ParseInt(field, 10, 64)
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
