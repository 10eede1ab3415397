package api

import (
	"net/http"

	"github.com/livygateway/livygateway/internal/control"
)

// HealthStatus returns the HTTP status of a health check, for load balancers.
func HealthStatus(h control.Health) int {
	if h.Ready {
		return http.StatusOK
	}
	return http.StatusServiceUnavailable
}

func (c *call) health() error {
	h := c.Manager.Health(c.ctx())
	c.untagged = true
	c.w.Header().Set("Cache-Control", "no-store")
	return c.reply(HealthStatus(h), h)
}
