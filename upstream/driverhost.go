package upstream

import "context"

// DriverHoster is a Runtime that knows where the drivers listen that run beside
// a gateway's Livy server.
type DriverHoster interface {
	// DriverHost is the host, as reached from here, on whose ports those drivers
	// serve their Spark UI. It fails with KindUnavailable when no server runs.
	DriverHost(ctx context.Context, gatewayID string) (string, error)
}
