package livyhttp

import (
	"errors"
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/livygateway/livygateway/caddymodule/internal/core"
	"github.com/livygateway/livygateway/internal/control"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/sessions"
	"github.com/livygateway/livygateway/internal/tokens"
	"github.com/livygateway/livygateway/policies"
)

// call is the state of a request that its handlers share.
type call struct {
	core  *core.Core
	entry *control.Entry
	// awake is the result of Manager.Awake, by which a later halt of this process is noticed.
	awake int64
	req   livy.Request
	// prefix is the public path before Livy's own, without a trailing slash.
	prefix string
	token  *tokens.Token
	// keepLogin is set if the request has a Basic login for Livy's LDAP.
	keepLogin bool
	// created is set for create requests that passed the policy.
	created *policies.Result
	// repeat is set for create requests that may be sent again.
	repeat *sessions.Repeat
	// page is the page of a filtered list that the client asked for.
	page *livy.Query
	// named is set once the name in the path has been resolved to req.ID.
	named bool
	// createdID is the public id of the session or batch that the request created, or -1.
	createdID int64
	// unsent is set if nothing was sent to Livy.
	unsent bool
	// refused is the reason for the audit log if a rule of the gateway refused the request.
	refused string
	measured
	spans
}

const callVar = "livy_call"

// callOf returns the request's call. The handlers after Gateway depend on it.
func callOf(r *http.Request) (*call, error) {
	c, ok := caddyhttp.GetVar(r.Context(), callVar).(*call)
	if !ok {
		return nil, caddyhttp.Error(http.StatusInternalServerError, errors.New("this handler must come after livy_gateway"))
	}
	return c, nil
}

// base returns the number that is added to Livy's ids of this request's kind.
func (c *call) base() int64 {
	if c.req.Route.Kind == livy.KindBatch {
		return c.entry.Gateway.Status.BatchBase
	}
	return c.entry.Gateway.Status.SessionBase
}
