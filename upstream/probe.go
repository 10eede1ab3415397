package upstream

import (
	"context"
	"strings"
)

// Prober is a Runtime that can inspect the environment of a server, which may run
// on another machine.
type Prober interface {
	// CPUFlags returns the CPU flags of the server's machine as in /proc/cpuinfo, e.g.
	// "avx2".
	CPUFlags(ctx context.Context, serverID string) ([]string, error)
	// HasFile reports whether an absolute path exists for the server.
	HasFile(ctx context.Context, serverID, path string) (bool, error)
}

// ParseCPUFlags returns the flags of the first core in the text of /proc/cpuinfo.
func ParseCPUFlags(cpuinfo string) []string {
	for line := range strings.Lines(cpuinfo) {
		name, value, ok := strings.Cut(line, ":")
		if name = strings.TrimSpace(name); ok && (name == "flags" || name == "Features") {
			return strings.Fields(value)
		}
	}
	return nil
}
