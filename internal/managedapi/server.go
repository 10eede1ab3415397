// Package managedapi serves the control plane of the managed product, OpenAPI 2023-08-08, to its
// own SDKs: the operations on Livy gateways and their tokens, and the list of sessions.
//
// It only translates. Each operation becomes calls of the management API (package api), which
// are made in this process, so that rules, roles and the audit log are those of everybody else.
package managedapi

import (
	"context"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/access"
	"github.com/livygateway/livygateway/internal/accesskeys"
	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/control"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/tokens"
)

// Version is the version of the API, which requests name in X-Acs-Version.
const Version = "2023-08-08"

// Surface is the name of this API in the audit log.
const Surface = "managed"

// maxBody bounds the body of a request.
const maxBody = 1 << 20

// Settings are what the operator sets.
type Settings struct {
	// Workspaces are the names of workspaces by their ids in the managed product. Without
	// any, workspaces are identified by their names; otherwise only by these ids.
	Workspaces map[string]string
	// Regions are the region ids that requests may name; none means any.
	Regions []string
	// Releases are the release versions of the managed product that engines stand for.
	Releases []Release
	// Endpoint and EndpointInner are the public and the internal address of the gateways, a
	// host with an optional port. Default: the host of the request.
	Endpoint, EndpointInner string
	// SelfService limits the tokens that access keys with the role member make.
	SelfService tokens.SelfService
}

// Release is a release version of the managed product, e.g. "esr-4.3.0 (Spark 3.5.2, Scala
// 2.12)", and the engine that gateways with it get. If an engine has several, the first is shown.
type Release struct{ Version, Engine string }

// Server serves the API.
type Server struct {
	Settings
	// API makes the calls that operations consist of.
	API *api.Server
	// Keys, Tokens and Manager are those of API.
	Keys    *accesskeys.Service
	Tokens  *tokens.Service
	Manager *control.Manager
	// Refusals records refused requests in the audit log.
	Refusals *control.Refusals
	Logger   *zap.Logger
	// Now returns the current time.
	Now func() time.Time

	calls http.Handler
}

// New returns a server on top of a management API.
func New(a *api.Server, s Settings) *Server {
	return &Server{
		Settings: s, API: a, Keys: a.AccessKeys, Tokens: a.Tokens, Manager: a.Manager, Refusals: a.Refusals, Logger: a.Logger,
		Now: time.Now,
		calls: a.HandlerFor(api.Surface{
			Caller:      func(r *http.Request) api.Caller { return r.Context().Value(callerKey{}).(api.Caller) },
			SelfService: s.SelfService,
		}),
	}
}

// callerKey is the key of a call's api.Caller in its context.
type callerKey struct{}

// Arrived is how a request arrived at the site, before anything rewrote it: what was signed.
type Arrived struct {
	// URI is the request target: path and query as they were sent.
	URI string
	// Host is the host that the client named.
	Host string
	// HTTPS reports whether the client used TLS.
	HTTPS bool
	// Address is the client's address.
	Address string
}

// Claims reports whether a request is meant for this API.
func Claims(r *http.Request) bool {
	path := r.URL.EscapedPath()
	return strings.HasPrefix(path, interactivePrefix) || strings.HasPrefix(path, sessionsPrefix) ||
		r.Header.Get(headerAction) != "" || r.Header.Get(headerVersion) != ""
}

// call is one request being served.
type call struct {
	*Server
	r       *http.Request
	arrived Arrived
	op      *operation
	body    []byte
	id      string // of the request
	caller  caller
	// workspace is the workspace's name. workspaceID, compute and token are from the path.
	workspace, workspaceID, compute, token string
}

// caller is who makes a request.
type caller struct {
	api.Caller
	// id is that of the access key or token.
	id string
	// only is the id of the only gateway that the caller may manage; empty means any.
	only string
}

// Serve answers a request.
func (s *Server) Serve(w http.ResponseWriter, r *http.Request, arrived Arrived) {
	c := &call{Server: s, r: r, arrived: arrived, id: newRequestID()}
	reply, err := c.serve(w)
	if err != nil {
		c.fail(w, err)
		return
	}
	c.write(w, http.StatusOK, reply)
}

// newRequestID returns an id in the form of the managed product's.
func newRequestID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return fmt.Sprintf("%X-%X-%X-%X-%X", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

func (c *call) serve(w http.ResponseWriter) (any, error) {
	var err error
	if c.body, err = io.ReadAll(http.MaxBytesReader(w, c.r.Body, maxBody)); err != nil {
		if tooLarge(err) {
			return nil, refusef(http.StatusRequestEntityTooLarge, "RequestEntityTooLarge", "the request body is larger than 1 MiB")
		}
		return nil, refusef(http.StatusBadRequest, "InvalidRequest", "reading the request body: %s", err)
	}
	if c.caller, err = c.authenticate(); err != nil {
		return nil, err
	}
	if err := c.route(w); err != nil {
		return nil, err
	}
	if err := c.place(); err != nil {
		return nil, err
	}
	return c.op.serve(c)
}

// place finds the workspace, and checks the query and what the caller may reach at all.
func (c *call) place() error {
	query, err := parseQuery(c.arrived.URI)
	if err != nil {
		return err
	}
	for name, value := range query {
		switch {
		case name == "regionId":
			if len(c.Regions) > 0 && value != "" && !slices.Contains(c.Regions, value) {
				return refusef(http.StatusBadRequest, "InvalidRegionId", "regionId: this gateway serves %s (got %q)", strings.Join(c.Regions, ", "), value)
			}
		case !slices.Contains(c.op.query, name):
			return refusef(http.StatusBadRequest, codeInvalid, "%s: is not a parameter of %s (got %q)", name, c.op.name, value)
		}
	}
	c.workspace = c.workspaceID
	if len(c.Workspaces) > 0 {
		name, ok := c.Workspaces[c.workspaceID]
		if !ok {
			return c.noWorkspace()
		}
		c.workspace = name
	}
	if c.caller.Rights.Reach(access.Action{Role: access.Viewer, Own: true}, c.workspace) == access.Nothing {
		return c.noWorkspace()
	}
	if c.caller.only == "" {
		return nil
	}
	if c.compute == "" && c.op.method != http.MethodGet {
		return refusef(http.StatusForbidden, codeForbidden, "%s: this token manages one gateway only; use an access key", c.op.name)
	}
	if g := c.Manager.Known(c.caller.only); c.compute != "" && (g == nil || c.compute != g.ID && c.compute != g.Spec.Name) {
		return refusef(http.StatusForbidden, codeForbidden, "livyComputeId: this token belongs to another gateway")
	}
	return nil
}

func (c *call) noWorkspace() error {
	return refusef(http.StatusNotFound, "WorkspaceNotExist", "workspaceBizId: no workspace with this id (got %q)", c.workspaceID)
}

// write replies with a JSON object that has the request's id.
func (c *call) write(w http.ResponseWriter, status int, reply any) {
	api.Harden(w.Header())
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Acs-Request-Id", c.id)
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(reply)
}

// envelope is the reply of most operations.
type envelope struct {
	RequestID string `json:"requestId"`
	Code      string `json:"code"`
	Message   string `json:"message"`
	Data      any    `json:"data,omitempty"`
}

// done is the reply of an operation that succeeded.
func (c *call) done(data any) envelope {
	return envelope{RequestID: c.id, Code: "1000000", Message: "ok", Data: data}
}

// do makes a call of the management API below the workspace and decodes its reply.
func (c *call) do(method, path string, body, reply any) error {
	var payload io.Reader = http.NoBody
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("encoding a call: %w", err)
		}
		payload = strings.NewReader(string(text))
	}
	ctx := context.WithValue(c.r.Context(), callerKey{}, c.caller.Caller)
	r, err := http.NewRequestWithContext(ctx, method, "/v1/workspaces/"+escape(c.workspace)+path, payload)
	if err != nil {
		return fmt.Errorf("making a call: %w", err)
	}
	r.Header.Set("Content-Type", "application/json")
	var answer buffer
	c.calls.ServeHTTP(&answer, r)
	return answer.read(reply)
}

// audit records a refused request.
func (c *call) audit(why *refusal) {
	if c.Refusals == nil {
		return
	}
	actor := c.caller.Actor
	if actor == "" {
		actor = "unknown"
	}
	operation := c.r.Method
	if c.op != nil {
		operation = c.op.name
	}
	gatewayID := ""
	if c.workspace != "" && c.compute != "" {
		if e, err := c.Manager.Lookup(c.workspace, c.compute); err == nil {
			gatewayID = e.Gateway.ID
		}
	}
	c.Refusals.Note(store.AuditEntry{
		Action: "managed", Actor: gateway.Person(actor), Address: c.arrived.Address, Surface: Surface,
		AccessKey: c.caller.AccessKey, GatewayID: gatewayID,
		Detail: tokens.Mask(operation + ": " + why.code + ": " + why.message),
	})
}
