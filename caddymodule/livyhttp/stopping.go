package livyhttp

import "github.com/livygateway/livygateway/internal/gateway"

// errStopping returns the error for a request that reached a Livy server while it stopped. Livy
// did not see the request. Clients take the 404 of its web server to mean that their session is
// gone.
func errStopping(c *call) error {
	return gateway.NotNow("the Livy server of gateway %q is stopping or restarting", c.entry.Gateway.Spec.Name)
}
