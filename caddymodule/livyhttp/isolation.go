package livyhttp

import (
	"context"
	"fmt"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/sessions"
)

// isolate restricts a token to what it created, on isolated gateways. It is called once the id in
// the path is known, and before the request line for Livy is built. For lists see wholeList.
func (h *Policy) isolate(ctx context.Context, c *call) error {
	g := c.entry.Gateway
	if !g.Spec.Isolated || !c.req.Route.HasID {
		return nil
	}
	own, err := h.core.Ledger.Owns(ctx, g.ID, c.token.ID, c.req.Route.Kind, c.req.ID)
	if err == nil && !own {
		c.refused = "isolation: not a session or batch of this token"
		// The sessions and batches of others are answered like ones that do not exist.
		if err = sessions.NoSuchID(c.req.ID); c.req.Name != "" {
			err = sessions.NoSuchName(c.req.Name)
		}
	}
	return err
}

// errNameTaken returns the error for a create with a name that another session or batch of the
// gateway has, whoever created that one.
func errNameTaken(c *call) error {
	return gateway.Invalid("name", c.created.Effective.Name,
		fmt.Sprintf("is taken: another live %s of the gateway has this name, perhaps one of another token",
			c.req.Route.Kind))
}
