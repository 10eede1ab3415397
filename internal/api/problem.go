package api

import (
	"encoding/json"
	"errors"
	"net/http"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/tokens"
)

// Problem is the body of every error reply (RFC 9457).
type Problem struct {
	// Type is always "about:blank"; see Kind.
	Type string `json:"type"`
	// Title is the text of the HTTP status.
	Title string `json:"title"`
	// Status is the HTTP status.
	Status int `json:"status"`
	// Detail is a human-readable description of the error.
	Detail string `json:"detail"`
	// Kind is the machine-readable kind of error, e.g. "not_found".
	Kind string `json:"kind"`
	// Field is the name of the invalid setting, parameter or header.
	Field string `json:"field,omitempty"`
	// Value is its given value.
	Value string `json:"value,omitempty"`
	// Rule is the rule that the value breaks. Only errors with a field have one.
	Rule string `json:"rule,omitempty"`
}

// Status returns the HTTP status for a kind of error.
func Status(kind gateway.Kind) int {
	switch kind {
	case gateway.KindInvalid:
		return http.StatusBadRequest
	case gateway.KindUnauthorized:
		return http.StatusUnauthorized
	case gateway.KindForbidden:
		return http.StatusForbidden
	case gateway.KindNotFound:
		return http.StatusNotFound
	case gateway.KindConflict:
		return http.StatusConflict
	case gateway.KindTooLarge:
		return http.StatusRequestEntityTooLarge
	case gateway.KindStale:
		return http.StatusPreconditionFailed
	case gateway.KindUnavailable:
		return http.StatusServiceUnavailable
	case gateway.KindLimited:
		return http.StatusTooManyRequests
	default:
		return http.StatusInternalServerError
	}
}

// statusError is an error with an HTTP status that has no kind.
type statusError struct {
	status int
	kind   string
	detail string
}

func (e *statusError) Error() string { return e.detail }

// problem returns the problem for an error.
func problem(err error) Problem {
	kind := gateway.KindOf(err)
	p := Problem{Type: "about:blank", Status: Status(kind), Detail: err.Error(), Kind: kind.String()}
	p.Field, p.Value, p.Rule = gateway.Breach(err)
	if e, ok := errors.AsType[*statusError](err); ok {
		p.Status, p.Kind = e.status, e.kind
	}
	p.Title = http.StatusText(p.Status)
	return p
}

// WriteError replies with a problem. A 401 or 403 is also written to the audit log as a refused
// request of o.
func (s *Server) WriteError(w http.ResponseWriter, r *http.Request, o gateway.Origin, err error) {
	p := problem(err)
	switch {
	case p.Status >= 500:
		s.Logger.Error("management request failed",
			zap.String("method", r.Method), zap.String("path", tokens.Mask(r.URL.Path)), zap.String("error",
				tokens.Mask(err.Error())))
	case s.Refusals != nil && (p.Status == http.StatusUnauthorized || p.Status == http.StatusForbidden):
		s.Refusals.Note(store.AuditEntry{
			Action: "api", Actor: o.Actor, Address: o.Address, Surface: o.Surface, AccessKey: o.AccessKey,
			Detail: tokens.Mask(r.Method + ": " + p.Detail),
		})
	}
	if p.Status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "2")
	}
	Harden(w.Header())
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(p.Status)
	_ = json.NewEncoder(w).Encode(p)
}
