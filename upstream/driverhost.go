package upstream

import "context"

// DriverHoster is a Runtime that knows the address of the drivers that run next to a
// Livy server.
type DriverHoster interface {
	// DriverHost returns the host on whose ports those drivers serve their Spark UI. It
	// fails with KindUnavailable if no server runs.
	DriverHost(ctx context.Context, serverID string) (string, error)
}
