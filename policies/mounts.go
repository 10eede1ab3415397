package policies

// Cost is the driver resources that mounted file directories use.
type Cost struct {
	// MilliCPU is the CPU in thousandths of a core.
	MilliCPU int64 `json:"milliCPU"`
	// MemoryBytes is the memory in bytes.
	MemoryBytes int64 `json:"memoryBytes"`
}

// The part of the mount cost that does not depend on the driver.
const (
	fixedMountMilliCPU = 300
	fixedMountMemory   = 1 << 30
)

// MountCost returns the cost of mounts for a driver of this size: a tenth of the driver's cores,
// at least 0.3, and a tenth of its memory, at least 1 GiB. For a driver of 4 cores and 8 GiB that
// is 0.4 cores and 1 GiB.
func MountCost(driverCores, driverMemory int64) Cost {
	return Cost{
		MilliCPU:    max(fixedMountMilliCPU, driverCores*1000/10),
		MemoryBytes: max(fixedMountMemory, driverMemory/10),
	}
}
