package livyhttp

import (
	"errors"
	"net/http"

	"github.com/livygateway/livygateway/caddymodule/internal/core"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/tokens"
)

// noteRefusal puts a refusal of consequence into the audit: a token that was shown
// and not accepted or may not do this, a request that the policy refuses, the
// attempt on another token's session. Mistakes in requests are none, nor is a
// request without any token, which is how clients ask whether they need one.
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
