package process

import (
	"os"
	"path/filepath"
	"testing"
)

func TestUsageOfCgroups(t *testing.T) {
	tests := []struct {
		name   string
		dirs   []map[string]string // files of each cgroup directory
		cpu    float64
		memory int64
		known  [2]bool // CPU time, memory
	}{
		{
			name: "version 2",
			dirs: []map[string]string{{
				"cpu.stat": "usage_usec 2500000\nuser_usec 1\n", "memory.current": "1000\n",
				"memory.stat": "anon 600\ninactive_file 400\n",
			}},
			cpu: 2.5, memory: 600, known: [2]bool{true, true},
		},
		{
			name: "version 1",
			dirs: []map[string]string{
				{"memory.usage_in_bytes": "1000\n", "memory.stat": "inactive_file 1\ntotal_inactive_file 300\n"},
				{"cpuacct.usage": "1500000000\n"},
			},
			cpu: 1.5, memory: 700, known: [2]bool{true, true},
		},
		{
			name:   "version 1 without CPU accounting",
			dirs:   []map[string]string{{"memory.usage_in_bytes": "1000\n", "memory.stat": "total_inactive_file 2000\n"}},
			memory: 1000, known: [2]bool{false, true},
		},
		{name: "none"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			var g group
			for _, files := range tt.dirs {
				dir := t.TempDir()
				g = append(g, dir)
				for name, text := range files {
					if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
						t.Fatal(err)
					}
				}
			}
			cpu, knownCPU := g.cpuSeconds()
			memory, knownMemory := g.memoryBytes()
			if cpu != tt.cpu || memory != tt.memory || [2]bool{knownCPU, knownMemory} != tt.known {
				t.Errorf("got %v s (%v), %d bytes (%v)", cpu, knownCPU, memory, knownMemory)
			}
		})
	}
}

func TestUsageOfProcesses(t *testing.T) {
	cpu, memory := usageOf([]int{os.Getpid(), 1 << 30})
	if cpu <= 0 || memory < 1<<20 {
		t.Errorf("this process uses %v s and %d bytes", cpu, memory)
	}
}
