package livyhttp

import (
	"errors"
	"net/http"

	"github.com/livygateway/livygateway/caddymodule/internal/core"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/tokens"
)

// noteRefusal adds a refused request to the audit log: one whose token was not accepted or lacks
// the right, one that the policy refuses, or one for the session of another token. Other invalid
// requests are not audited, and neither are requests without a token, with which clients find out
// whether they need one.
func (h *Gateway) noteRefusal(r *http.Request, c *call, err error) {
	if c == nil {
		return
	}
	var refused *tokens.Error
	e := store.AuditEntry{
		Action: "request." + c.req.Route.Name, GatewayID: c.entry.Gateway.ID, Gateway: c.entry.Gateway.Ref(),
		Address: core.ClientAddr(r), Surface: core.SurfaceLivy,
	}
	if c.token != nil {
		e.Actor = c.token.ID
	}
	switch {
	case errors.As(err, &refused):
		if refused.Kind != gateway.KindUnauthorized && refused.Kind != gateway.KindForbidden || refused.Reason == tokens.ReasonMissing {
			return
		}
		e.Detail = "token: " + string(refused.Reason)
		if e.Actor == "" {
			e.Actor = refused.TokenID
		}
	case c.refused != "":
		e.Detail = c.refused
	default:
		return
	}
	if e.Actor == "" {
		e.Actor = core.UnknownActor
	}
	h.core.Refusals.Note(e)
}
