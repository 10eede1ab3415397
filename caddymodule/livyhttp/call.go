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

// call is what the handlers of one request tell each other.
type call struct {
	core  *core.Core
	entry *control.Entry
	// awake is the manager's word that this process has not been halted since.
	awake int64
	req   livy.Request
	// prefix is the public path before Livy's own, without a trailing slash.
	prefix string
	token  *tokens.Token
	// keepLogin says that a Basic login is for Livy's LDAP.
	keepLogin bool
	// created is set for create requests that passed the policy.
	created *policies.Result
	// repeat is set for create requests that may be sent again.
	repeat *sessions.Repeat
	// page is what a client asked for of a list that is filtered.
	page *livy.Query
	// named says that the name in the path was found to be the session or batch req.ID.
	named bool
	// createdID is the public id of what the request created, -1 before that.
	createdID int64
	// unsent says that nothing was sent to Livy.
	unsent bool
	// refused is why the request is refused, for the audit, where it was the
	// gateway's rules that refused it.
	refused string
}

const callVar = "livy_call"

// callOf returns the request's call; the handlers after Gateway rely on it.
func callOf(r *http.Request) (*call, error) {
	c, ok := caddyhttp.GetVar(r.Context(), callVar).(*call)
	if !ok {
		return nil, caddyhttp.Error(http.StatusInternalServerError, errors.New("this handler must come after livy_gateway"))
	}
	return c, nil
}

// base is what was added to Livy's ids of this request's kind.
func (c *call) base() int64 {
	if c.req.Route.Kind == livy.KindBatch {
		return c.entry.Gateway.Status.BatchBase
	}
	return c.entry.Gateway.Status.SessionBase
}
