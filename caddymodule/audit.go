package caddymodule

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/sessions"
)

// audit is the part of the record handler that writes down which statements are
// run, on gateways that want it.
type audit struct {
	h    *Record
	c    *call
	addr string
	code string // of a statement that is about to be run
}

// newAudit returns nil for requests that nobody audits. It reads the code of a
// statement and puts the body back.
func (h *Record) newAudit(r *http.Request, c *call) (*audit, error) {
	if c.entry.Gateway.Spec.StatementAudit == gateway.AuditOff {
		return nil, nil
	}
	a := &audit{h: h, c: c, addr: clientAddr(r)}
	switch c.req.Route.Name {
	case "session.statement.get", "session.statement.list":
		return a, nil
	case "session.statement.create":
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		var statement struct {
			Code string `json:"code"`
		}
		if err := json.Unmarshal(body, &statement); err != nil {
			return nil, gateway.Invalid("body", "", "must be a statement")
		}
		a.code = statement.Code
		r.Body = io.NopCloser(bytes.NewReader(body))
		return a, nil
	default:
		return nil, nil
	}
}

// look takes what the reply tells.
func (a *audit) look(ctx context.Context, status int, reply []byte) {
	if status >= 300 {
		return
	}
	id := a.c.entry.Gateway.ID
	if a.c.req.Route.Name == "session.statement.list" {
		var list livy.Statements
		if json.Unmarshal(reply, &list) == nil {
			a.h.core.ledger.SawStatements(ctx, id, a.c.req.ID, list.Statements...)
		}
		return
	}
	var st livy.Statement
	if json.Unmarshal(reply, &st) != nil {
		return
	}
	if a.c.req.Route.Name == "session.statement.create" {
		a.h.core.ledger.Ran(ctx, id, sessions.Ran{
			SessionID: a.c.req.ID, StatementID: st.ID, TokenID: a.c.token.ID, TokenName: a.c.token.Name, ClientAddr: a.addr,
			Code: a.code, KeepCode: a.c.entry.Gateway.Spec.StatementAudit == gateway.AuditCode,
		})
		return
	}
	a.h.core.ledger.SawStatements(ctx, id, a.c.req.ID, st)
}
