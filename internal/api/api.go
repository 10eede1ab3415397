// Package api serves the management REST API for gateways, tokens, records and the audit log.
// It is available on Caddy's admin endpoint, where the command line uses it, and on sites with
// the livy_api directive.
package api

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"path"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/access"
	"github.com/livygateway/livygateway/internal/accesskeys"
	"github.com/livygateway/livygateway/internal/budgets"
	"github.com/livygateway/livygateway/internal/control"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/tokens"
)

// maxBody bounds the body of a management request; the largest are conf files.
const maxBody = 1 << 20

// Server serves the management API.
type Server struct {
	Manager *control.Manager
	Tokens  *tokens.Service
	Store   *store.Store
	// AccessKeys manages the access keys of the managed product's API.
	AccessKeys *accesskeys.Service
	// Budgets has the budgets of the configuration.
	Budgets *budgets.Service
	// Refusals records refused requests in the audit log.
	Refusals *control.Refusals
	Logger   *zap.Logger
	// Sites returns the sites that serve gateways; nil if they are not known.
	Sites func() []Site
	// Patience is how long a read waits for an unreachable Redis. Default 3 seconds.
	Patience time.Duration

	overviews overviews
}

// Handler returns the API below /v1 for those who may do everything. origin tells who
// made a request, for the audit.
func (s *Server) Handler(origin func(*http.Request) gateway.Origin) http.Handler {
	return s.HandlerFor(Surface{Caller: func(r *http.Request) Caller { return Caller{Origin: origin(r), Unlimited: true} }})
}

// HandlerFor returns the API below /v1 as one surface serves it.
func (s *Server) HandlerFor(surface Surface) http.Handler {
	mux := http.NewServeMux()
	for _, route := range Routes() {
		mux.HandleFunc(route.Method+" "+route.Path, func(w http.ResponseWriter, r *http.Request) {
			c := s.newCall(&surface, w, r)
			if err := c.serve(&route); err != nil {
				s.WriteError(w, r, c.order.Origin, err)
			}
		})
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		Harden(w.Header())
		if err := s.check(mux, w, r); err != nil {
			s.WriteError(w, r, surface.Caller(r).Origin, err)
			return
		}
		mux.ServeHTTP(w, r)
	})
}

// check rejects requests without a route with a problem document; the mux would reply
// with plain text.
func (s *Server) check(mux *http.ServeMux, w http.ResponseWriter, r *http.Request) error {
	missing := gateway.Errorf(gateway.KindNotFound, "no such endpoint: %s %s", r.Method, r.URL.Path)
	if clean := path.Clean(r.URL.Path); clean != r.URL.Path {
		return missing // the mux would redirect
	}
	if _, pattern := mux.Handler(r); pattern != "" {
		return nil
	}
	// A path can match two patterns, of which the one with fewer parameters counts:
	// DELETE .../records/export would only look for a record of that name.
	methods := make(map[string][]string)
	best := ""
	for _, method := range []string{
		http.MethodDelete, http.MethodGet, http.MethodHead, http.MethodPatch,
		http.MethodPost,
	} {
		other := *r
		other.Method = method
		_, pattern := mux.Handler(&other)
		if _, route, ok := strings.Cut(pattern, " "); ok {
			methods[route] = append(methods[route], method)
			if best == "" || strings.Count(route, "{") < strings.Count(best, "{") {
				best = route
			}
		}
	}
	allowed := methods[best]
	if allowed == nil {
		return missing
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	return &statusError{
		http.StatusMethodNotAllowed, "method_not_allowed",
		"allowed methods: " + strings.Join(allowed, ", "),
	}
}

// call is one request being served.
type call struct {
	*Server
	w http.ResponseWriter
	r *http.Request
	// order identifies the caller and holds the condition of a change (see onlyIfMatch).
	order gateway.Order
	// untagged replies have no ETag although they are read as JSON; see Route.Tagged.
	untagged bool
	// surface is where the request came to, rights what its caller may do there, and
	// reach how far that goes with this call in its workspace.
	surface *Surface
	rights  access.Rights
	action  access.Action
	reach   access.Reach
}

func (c *call) ctx() context.Context { return c.r.Context() }

func (c *call) serve(route *Route) error {
	if err := c.authorize(route); err != nil {
		return err
	}
	if err := c.checkBodyType(); err != nil {
		return err
	}
	if err := c.checkQuery(route); err != nil {
		return err
	}
	if c.reading() && route.Type != eventStream {
		return c.patiently(func() error { return route.handle(c) })
	}
	return route.handle(c)
}

// defaultPatience is about the time that Redis takes to restart, or a Sentinel group
// to elect another primary.
const defaultPatience = 3 * time.Second

// patiently retries a read while Redis or another dependency is unavailable for a
// moment, for instance during a restart.
func (c *call) patiently(read func() error) error {
	return store.Retry(c.ctx(), cmp.Or(c.Patience, defaultPatience),
		func(context.Context) error { return read() })
}

// checkQuery rejects unknown query parameters: a misspelled filter would match
// everything.
func (c *call) checkQuery(route *Route) error {
	if _, err := url.ParseQuery(c.r.URL.RawQuery); err != nil {
		return gateway.Errorf(gateway.KindInvalid, "invalid query string: %s", err)
	}
	for name := range c.values() {
		if !slices.ContainsFunc(route.Query, func(p Param) bool { return p.Name == name }) {
			return gateway.Invalid(name, c.values().Get(name), "is not a query parameter of this endpoint")
		}
	}
	return nil
}

// checkBodyType rejects a body whose content type is not JSON. This also stops other
// sites' pages: without a preflight request, browsers send only forms and plain text.
func (c *call) checkBodyType() error {
	if c.r.Body == nil || c.r.Body == http.NoBody || c.r.ContentLength == 0 {
		return nil
	}
	given := c.r.Header.Get("Content-Type")
	kind, _, err := mime.ParseMediaType(given)
	if err == nil && (kind == "application/json" || kind == "application/merge-patch+json") {
		return nil
	}
	return &statusError{
		http.StatusUnsupportedMediaType, "unsupported_media_type",
		"the request body must be JSON, with Content-Type: application/json",
	}
}

// reading reports whether the call changes nothing.
func (c *call) reading() bool { return c.r.Method == http.MethodGet || c.r.Method == http.MethodHead }

func (c *call) reply(status int, v any) error {
	text, err := encode(v)
	if err != nil {
		return err
	}
	return c.replyText(status, text)
}

// encode makes one line of JSON.
func encode(v any) ([]byte, error) {
	text, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encoding a reply: %w", err)
	}
	return append(text, '\n'), nil
}

// body reads the request's body.
func (c *call) body() ([]byte, error) {
	text, err := io.ReadAll(http.MaxBytesReader(c.w, c.r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		return nil, &statusError{
			http.StatusRequestEntityTooLarge, "too_large",
			"the request body is larger than 1 MiB",
		}
	case err != nil:
		return nil, gateway.Errorf(gateway.KindInvalid, "reading the request body: %s", err)
	}
	return text, nil
}

// read decodes the request's body, which must hold exactly one JSON object with
// known fields.
func (c *call) read(v any) error {
	text, err := c.body()
	if err != nil {
		return err
	}
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.DisallowUnknownFields()
	switch err := d.Decode(v); {
	case errors.Is(err, io.EOF):
		return gateway.Errorf(gateway.KindInvalid, "the request body is empty; expected a JSON object")
	case err != nil:
		return gateway.Undecodable("the request body is not the expected JSON object", err)
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return gateway.Errorf(gateway.KindInvalid, "the request body holds more than one JSON object")
	}
	if !strings.HasPrefix(strings.TrimLeft(string(text), " \t\r\n"), "{") {
		return gateway.Errorf(gateway.KindInvalid, "the request body is not a JSON object")
	}
	return nil
}
