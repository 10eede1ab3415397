package livyhttp

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"

	"github.com/livygateway/livygateway/caddymodule/internal/core"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/sessions"
)

// statementAudit records statements, for gateways whose statement audit is on.
type statementAudit struct {
	h    *Record
	c    *call
	addr string
	code string // of a statement to be run
}

// newStatementAudit returns nil for requests that are not audited. It reads the code of a
// statement, and puts the body back.
func (h *Record) newStatementAudit(r *http.Request, c *call) (*statementAudit, error) {
	if c.entry.Gateway.Spec.StatementAudit == gateway.AuditOff {
		return nil, nil
	}
	a := &statementAudit{h: h, c: c, addr: core.ClientAddr(r)}
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

// seen passes a reply about statements on, and keeps its outline: the outputs in it can be large.
type seen struct {
	http.ResponseWriter
	audit   *statementAudit
	outline livy.Outline
}

// over returns a writer that looks at what is written to w.
func (a *statementAudit) over(w http.ResponseWriter) *seen {
	s := &seen{ResponseWriter: w, audit: a, outline: livy.Outline{Depth: 2}} // output of a statement
	if a.c.req.Route.Name == "session.statement.list" {
		s.outline.Depth = 4
	}
	return s
}

// Write implements http.ResponseWriter.
func (s *seen) Write(b []byte) (int, error) {
	n, err := s.ResponseWriter.Write(b)
	_, _ = s.outline.Write(b[:n])
	return n, err
}

// Unwrap is for http.ResponseController.
func (s *seen) Unwrap() http.ResponseWriter { return s.ResponseWriter }

// finish records the statements in the reply.
func (s *seen) finish(ctx context.Context, status int) { s.audit.look(ctx, status, s.outline.Bytes()) }

// look records the statements in a reply.
func (a *statementAudit) look(ctx context.Context, status int, reply []byte) {
	if status >= 300 {
		return
	}
	id := a.c.entry.Gateway.ID
	if a.c.req.Route.Name == "session.statement.list" {
		var list livy.Statements
		if json.Unmarshal(reply, &list) == nil {
			a.h.core.Ledger.ObserveStatements(ctx, id, a.c.req.ID, list.Statements...)
		}
		return
	}
	var st livy.Statement
	if json.Unmarshal(reply, &st) != nil {
		return
	}
	if a.c.req.Route.Name == "session.statement.create" {
		a.h.core.Ledger.RecordStatement(ctx, id, sessions.SubmittedStatement{
			SessionID: a.c.req.ID, StatementID: st.ID, TokenID: a.c.token.ID, TokenName: a.c.token.Name, ClientAddr: a.addr,
			Code: a.code, KeepCode: a.c.entry.Gateway.Spec.StatementAudit == gateway.AuditCode,
		})
		return
	}
	a.h.core.Ledger.ObserveStatements(ctx, id, a.c.req.ID, st)
}
