package livyhttp

import (
	"errors"
	"net/http"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
	"go.uber.org/zap"

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
	// extra is what the reply shows of the session or batch in the path besides what Livy knows;
	// nil if there is nothing. logPage is set for a log that begins with lines of the gateway.
	extra   *sessions.Extra
	logPage *livy.LogPage
	// named is set once the name in the path has been resolved to req.ID.
	named bool
	// begun is set for a create on one of several servers; see control.Manager.Spread. primary is
	// the entry of the gateway's primary server then.
	begun   func()
	primary *control.Entry
	// warm are the names of sessions that belonged to nobody before a list was requested.
	warm map[string]bool
	// createdID is the public id of the session or batch that the request created, or -1.
	createdID int64
	// record is the id of the record of a create, "" before there is one.
	record string
	// unsent is set if nothing was sent to Livy.
	unsent bool
	// refused is the reason for the audit log if a rule of the gateway refused the request.
	refused string
	// limit is the time limit of a request that reverse_proxy sends.
	limit readLimit
	// reply is where Livy's reply is written.
	reply recorder
	// head is memory for values of headers.
	head headerValues
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

// about returns what a request is about, for logs. Nothing is read for it.
func (c *call) about() []zap.Field {
	if c == nil {
		return nil
	}
	fields := []zap.Field{zap.String("gateway", c.entry.Gateway.Ref()), zap.String("gateway_id", c.entry.Gateway.ID)}
	if c.token != nil {
		fields = append(fields, zap.String("token", c.token.ID))
	}
	record := c.record
	if record == "" && c.req.ID >= 0 {
		record = c.core.Ledger.KnownRecord(c.entry.Gateway.ID, c.req.Route.Kind, c.req.ID)
	}
	if record != "" {
		fields = append(fields, zap.String("record", record))
	}
	if id := c.publicID(); id != "" {
		fields = append(fields, zap.String(string(c.req.Route.Kind), id))
	}
	return fields
}

// endBegun ends what Spread began.
func (c *call) endBegun() {
	if c.begun != nil {
		c.begun()
	}
}

// elsewhere reports whether a public id is on another server than the one of this request.
func (c *call) elsewhere(kind livy.Kind, id int64) bool {
	e := c.entry
	if c.primary != nil {
		e = c.primary
	}
	return e.Holding(kind, id) != c.entry
}

// base returns the number that is added to Livy's ids of this request's kind.
func (c *call) base() int64 {
	if c.req.Route.Kind == livy.KindBatch {
		return c.entry.Gateway.Status.BatchBase
	}
	return c.entry.Gateway.Status.SessionBase
}
