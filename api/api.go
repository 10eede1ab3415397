// Package api is the management REST API: gateways, their tokens, their records.
// It is served on Caddy's admin endpoint, where the command line uses it.
package api

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/control"
	"github.com/livygateway/livygateway/gateway"
	"github.com/livygateway/livygateway/store"
	"github.com/livygateway/livygateway/tokens"
)

// maxBody bounds the body of a management request; the largest are conf files.
const maxBody = 1 << 20

// Server answers management requests.
type Server struct {
	Manager *control.Manager
	Tokens  *tokens.Service
	Store   *store.Store
	Logger  *zap.Logger
}

// Handler returns the API below /v1. actor tells who made a request, for the
// record; the caller has let only those in who may do everything.
func (s *Server) Handler(actor func(*http.Request) string) http.Handler {
	mux := http.NewServeMux()
	add := func(pattern string, h func(*call) error) {
		mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) {
			c := &call{Server: s, w: w, r: r, actor: actor(r)}
			if err := h(c); err != nil {
				s.writeError(w, r, err)
			}
		})
	}
	const gateways = "/v1/workspaces/{workspace}/gateways"
	const one = gateways + "/{gateway}"
	add("GET /v1/catalog", (*call).showCatalog)
	add("GET /v1/environments", (*call).listEnvironments)
	add("GET /v1/environments/{environment}", (*call).showEnvironment)
	add("GET /v1/gateways", (*call).listAllGateways)
	add("GET "+gateways, (*call).listGateways)
	add("POST "+gateways, (*call).createGateway)
	add("GET "+one, (*call).showGateway)
	add("PATCH "+one, (*call).updateGateway)
	add("DELETE "+one, (*call).deleteGateway)
	add("POST "+one+"/start", (*call).startGateway)
	add("POST "+one+"/stop", (*call).stopGateway)
	add("POST "+one+"/restart", (*call).restartGateway)
	add("GET "+one+"/logs", (*call).gatewayLogs)
	add("GET "+one+"/records", (*call).listRecords)
	add("GET "+one+"/records/export", (*call).exportRecords)
	add("GET "+one+"/records/{record}", (*call).showRecord)
	add("DELETE "+one+"/records/{record}", (*call).closeRecord)
	add("POST "+one+"/records/{record}/ui-link", (*call).linkSparkUI)
	add("GET "+one+"/usage", (*call).usage)
	add("GET "+one+"/statements", (*call).statements)
	add("POST "+one+"/policy/explain", (*call).explain)
	add("GET "+one+"/tokens", (*call).listTokens)
	add("POST "+one+"/tokens", (*call).createToken)
	const token = one + "/tokens/{token}"
	add("GET "+token, (*call).showToken)
	add("PATCH "+token, (*call).updateToken)
	add("DELETE "+token, (*call).revokeToken)
	add("POST "+token+"/reset", (*call).resetToken)
	add("POST "+token+"/disable", (*call).disableToken)
	add("POST "+token+"/enable", (*call).enableToken)
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) {
		s.writeError(w, r, gateway.Errorf(gateway.KindNotFound, "no such call: %s %s", r.Method, r.URL.Path))
	})
	return mux
}

// call is one request on its way.
type call struct {
	*Server
	w     http.ResponseWriter
	r     *http.Request
	actor string
}

// Problem is the body of every error reply (RFC 9457).
type Problem struct {
	Type   string `json:"type"`
	Title  string `json:"title"`
	Status int    `json:"status"`
	Detail string `json:"detail"`
	// Kind is the machine-readable sort of failure, e.g. "not_found".
	Kind  string `json:"kind"`
	Field string `json:"field,omitempty"`
	Value string `json:"value,omitempty"`
	Rule  string `json:"rule,omitempty"`
}

// Status chooses the HTTP status for a kind of failure.
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
	case gateway.KindUnavailable:
		return http.StatusServiceUnavailable
	case gateway.KindLimited:
		return http.StatusTooManyRequests
	default:
		return http.StatusInternalServerError
	}
}

// problem is an error as the API shows it.
func problem(err error) Problem {
	kind := gateway.KindOf(err)
	status := Status(kind)
	p := Problem{Type: "about:blank", Title: http.StatusText(status), Status: status, Detail: err.Error(), Kind: kind.String()}
	var e *gateway.Error
	if errors.As(err, &e) {
		p.Field, p.Value, p.Rule = e.Field, e.Value, e.Rule
	}
	return p
}

func (s *Server) writeError(w http.ResponseWriter, r *http.Request, err error) {
	p := problem(err)
	status := p.Status
	if status >= 500 {
		s.Logger.Error("management request failed",
			zap.String("method", r.Method), zap.String("path", r.URL.Path), zap.Error(err))
	}
	if status == http.StatusServiceUnavailable {
		w.Header().Set("Retry-After", "2")
	}
	w.Header().Set("Content-Type", "application/problem+json")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(p)
}

func (c *call) reply(status int, v any) error {
	c.w.Header().Set("Content-Type", "application/json")
	c.w.WriteHeader(status)
	_ = json.NewEncoder(c.w).Encode(v)
	return nil
}

// read decodes the request's body, which must hold exactly one JSON object with
// known fields.
func (c *call) read(v any) error {
	d := json.NewDecoder(http.MaxBytesReader(c.w, c.r.Body, maxBody))
	d.DisallowUnknownFields()
	err := d.Decode(v)
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return gateway.Errorf(gateway.KindInvalid, "the body is larger than %d bytes", maxBody)
	case errors.Is(err, io.EOF):
		return gateway.Errorf(gateway.KindInvalid, "the body is empty: a JSON object is wanted")
	case err != nil:
		return gateway.Errorf(gateway.KindInvalid, "the body is not the JSON object that is wanted: %s", strings.TrimPrefix(err.Error(), "json: "))
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return gateway.Errorf(gateway.KindInvalid, "the body holds more than one JSON object")
	}
	return nil
}

// intQuery reads a query parameter that is a number within bounds.
func (c *call) intQuery(name string, fallback, least, most int) (int, error) {
	text := c.r.URL.Query().Get(name)
	if text == "" {
		return fallback, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > most {
		return 0, gateway.Invalid(name, text, "must be a number from "+strconv.Itoa(least)+" to "+strconv.Itoa(most))
	}
	return n, nil
}
