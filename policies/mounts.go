package policies

// Cost is driver resources that mounted file directories take.
type Cost struct {
	// MilliCPU is thousandths of a core.
	MilliCPU int64 `json:"milliCPU"`
	// MemoryBytes is memory in bytes.
	MemoryBytes int64 `json:"memoryBytes"`
}

// The part of the mount cost that does not depend on the driver.
const (
	fixedMountMilliCPU = 300
	fixedMountMemory   = 1 << 30
)

// MountCost is what mounting costs a driver of this size: the greater of 0.3
// cores and 1 GiB or a tenth of the driver, each part compared on its own. A
// driver of 4 cores and 8 GiB pays 0.4 cores and 1 GiB.
func MountCost(driverCores, driverMemory int64) Cost {
	return Cost{
		MilliCPU:    max(fixedMountMilliCPU, driverCores*1000/10),
		MemoryBytes: max(fixedMountMemory, driverMemory/10),
	}
}
