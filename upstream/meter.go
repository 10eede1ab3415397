package upstream

import "context"

// Meter is a Runtime that knows what its servers use.
type Meter interface {
	// Usage returns what a server and the drivers next to it use. The error is of
	// KindNotFound if no server runs, and of KindUnavailable if it is unknown.
	Usage(ctx context.Context, serverID string) (Usage, error)
}

// Usage is what a Livy server and the drivers next to it use.
type Usage struct {
	// Instance is the server's id; CPUSeconds begins at 0 again when it changes.
	Instance string
	// CPUSeconds is the CPU time used since the server started.
	CPUSeconds float64
	// MemoryBytes is the memory in use, without the part of the file cache that can be
	// dropped at once.
	MemoryBytes int64
}
