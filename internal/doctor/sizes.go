package doctor

import (
	"fmt"
	"strings"

	"golang.org/x/sys/unix"

	"github.com/livygateway/livygateway/internal/gateway"
)

// Sizes compares the sizes that a catalog lists with a machine. Sizes that the machine does not
// have are a warning, since only gateways that use them are affected. A machine of unknown size
// (0) is not checked.
func Sizes(c *gateway.Catalog, cores int, memory int64) []Result {
	var large []string
	for _, n := range c.CPUs {
		if cores > 0 && n > cores {
			large = append(large, gateway.Count(n, "core"))
		}
	}
	for _, text := range c.Memories {
		size := gateway.Spec{Memory: text}
		// The kernel keeps some for itself: a machine of 16 GiB shows 15.6.
		if memory > 0 && size.MemoryBytes() > memory+memory/8 {
			large = append(large, text)
		}
	}
	if len(large) == 0 {
		return nil
	}
	return []Result{Warning("sizes of gateways", fmt.Sprintf("%s: the machine has only %s and %.1f GiB",
		strings.Join(large, ", "), gateway.Count(cores, "core"), float64(memory)/(1<<30)),
		"remove them from cpu and memory in the livy block, change the gateways that use them, or use a larger machine")}
}

// MachineMemory returns the memory of this machine in bytes, or 0 if it is unknown.
func MachineMemory() int64 {
	var info unix.Sysinfo_t
	if err := unix.Sysinfo(&info); err != nil {
		return 0
	}
	return int64(info.Totalram) * int64(info.Unit)
}
