package upstream

import (
	"context"
	"strings"
)

// Prober is a Runtime that can look around where a gateway's server runs, which
// may be another machine than this one.
type Prober interface {
	// CPUFlags are what the CPU there can do, as /proc/cpuinfo writes it, e.g.
	// "avx2".
	CPUFlags(ctx context.Context, gatewayID string) ([]string, error)
	// HasFile says whether the server finds something at an absolute path.
	HasFile(ctx context.Context, gatewayID, path string) (bool, error)
}

// ParseCPUFlags takes the flags of the first core from the text of /proc/cpuinfo.
func ParseCPUFlags(cpuinfo string) []string {
	for line := range strings.Lines(cpuinfo) {
		name, value, ok := strings.Cut(line, ":")
		if name = strings.TrimSpace(name); ok && (name == "flags" || name == "Features") {
			return strings.Fields(value)
		}
	}
	return nil
}
