// Package openapi generates the OpenAPI description of the management API from its table of
// routes, and from the Go types and comments that the routes refer to. The result is stored as
// api/openapi.json; a test of package api compares them.
package openapi

import (
	"bytes"
	"encoding/json"
	"net/http"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/livygateway/livygateway/internal/access"
	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/events"
)

type object = map[string]any

// Document returns the OpenAPI document. root is the directory of the module, whose sources
// contain the descriptions.
func Document(root string) ([]byte, error) {
	types, err := newTypes(root)
	if err != nil {
		return nil, err
	}
	paths := object{}
	for _, r := range api.Routes() {
		path, _ := paths[r.Path].(object)
		if path == nil {
			path = object{}
			if params := pathParams(r.Path); len(params) > 0 {
				path["parameters"] = params
			}
			paths[r.Path] = path
		}
		path[strings.ToLower(r.Method)] = operation(types, &r)
	}
	problem := types.reply(api.Problem{})
	doc := object{
		"openapi": "3.1.0",
		"info": object{
			"title":       "Livy Gateway",
			"version":     "1",
			"description": description,
			"license":     object{"name": "Apache-2.0", "identifier": "Apache-2.0"},
		},
		"servers": []any{
			object{"url": "/", "description": "A site with the livy_api directive"},
			object{"url": "/livy", "description": "Caddy's admin endpoint"},
		},
		"paths": paths,
		"components": object{
			"schemas": types.schemas,
			"responses": object{"Problem": object{
				"description": "What went wrong.",
				"content":     object{"application/problem+json": object{"schema": problem}},
			}},
		},
	}
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	err = e.Encode(doc)
	return b.Bytes(), err
}

const description = "Gateways, their tokens, the records of their sessions and batches, and the audit.\n\n" +
	"On a site the API requires authentication by Caddy, and roles in the configuration limit what a user may do: " +
	"x-required-role is the least role that may make a call, x-own-role the least role that may make it for the caller's own tokens. " +
	"On Caddy's admin endpoint, below /livy, there is no authentication: whoever reaches it has full access. " +
	"Bodies are JSON. Errors are problems (RFC 9457) with a machine-readable kind. " +
	"Lists are paged; a Link header points to the next page. " +
	"Changes can be made conditional on the ETag of an earlier reply with If-Match; reads with If-None-Match get a 304 if nothing has changed."

var pathParam = regexp.MustCompile(`\{(\w+)\}`)

var pathParamDocs = map[string]string{
	"workspace":   "The gateway's workspace, e.g. \"default\".",
	"gateway":     "The gateway's name or id.",
	"record":      "The record's id (livy-...), or kind and public id, e.g. \"session:3\".",
	"token":       "The token's id (lctk-...).",
	"environment": "The environment's name.",
	"key":         "The access key's id (lcak-...).",
}

func pathParams(path string) []any {
	var params []any
	for _, m := range pathParam.FindAllStringSubmatch(path, -1) {
		params = append(params, object{
			"name": m[1], "in": "path", "required": true, "description": pathParamDocs[m[1]],
			"schema": object{"type": "string", "minLength": 1},
		})
	}
	return params
}

func operation(types *types, r *api.Route) object {
	op := object{
		"operationId": r.Name, "summary": r.Summary, "tags": []string{tag(r.Path)},
		"responses":       responses(types, r),
		"description":     strings.TrimSpace(r.Doc + " " + NeedsRole(r)),
		"x-required-role": r.Access.Role.String(),
	}
	if r.Access.Own {
		op["x-own-role"] = access.Member.String()
	}
	params := []any{}
	for _, p := range r.Query {
		params = append(params,
			object{"name": p.Name, "in": "query", "description": p.Doc, "schema": paramSchema(p)})
	}
	if r.Conditional {
		params = append(params, object{
			"name": "If-Match", "in": "header",
			"description": "Make the change only if the object is unchanged since an earlier reply: that reply's ETag, or * for any.",
			"schema":      object{"type": "string", "pattern": `^(\*|"[0-9]{1,18}(-[0-9a-z-]{1,40})?")$`},
		})
	}
	if r.Name == "followEvents" {
		params = append(params, object{
			"name": "Last-Event-ID", "in": "header",
			"description": "The id of the last event that was received. Browsers send it automatically.",
			"schema":      object{"type": "string"},
		})
	}
	if r.Tagged() {
		params = append(params, object{
			"name": "If-None-Match", "in": "header",
			"description": "Reply with 304 if the object is unchanged since an earlier reply: that reply's ETag.",
			"schema":      object{"type": "string"},
		})
	}
	if len(params) > 0 {
		op["parameters"] = params
	}
	if r.Body != nil {
		content := object{"application/json": object{"schema": types.request(r.Body, r.Required)}}
		op["requestBody"] = object{"required": true, "content": content}
	}
	return op
}

// tag groups the calls by what they are about.
func tag(path string) string {
	for _, word := range []string{
		"access-keys", "tokens", "records", "statements", "usage", "policy", "gateways", "audit",
		"environments", "catalog", "events",
	} {
		if strings.Contains(path, "/"+word) {
			return word
		}
	}
	return "service"
}

func paramSchema(p api.Param) object {
	switch p.Type {
	case "integer":
		return object{"type": "integer", "default": p.Default, "minimum": p.Least, "maximum": p.Most}
	case "boolean":
		return object{"type": "boolean", "default": false}
	case "date", "date-time":
		return object{"type": "string", "format": p.Type}
	}
	s := object{"type": "string"}
	if p.Words != nil {
		s["enum"] = p.Words
	}
	return s
}

// Statuses that any call can have: 400 for an unknown query parameter; 401 comes from the
// site's authentication, 403 from that and from roles.
var anyCall = []int{
	http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden,
	http.StatusInternalServerError, http.StatusServiceUnavailable,
}

func responses(types *types, r *api.Route) object {
	problems := append(slices.Clone(anyCall), r.Errors...)
	if strings.Contains(r.Path, "{") { // also a workspace in which the caller has no role
		problems = append(problems, http.StatusNotFound)
	}
	if r.Method != http.MethodGet {
		problems = append(problems, http.StatusUnsupportedMediaType)
	}
	if r.Body != nil {
		problems = append(problems, http.StatusRequestEntityTooLarge)
	}
	if r.Conditional {
		problems = append(problems, http.StatusPreconditionFailed)
	}
	all := object{strconv.Itoa(r.Status): success(types, r)}
	if r.Accepted != nil {
		all[strconv.Itoa(http.StatusAccepted)] = object{
			"description": "Accepted; not done yet.",
			"content":     object{"application/json": object{"schema": types.reply(r.Accepted)}},
		}
	}
	for _, status := range problems {
		all[strconv.Itoa(status)] = object{"$ref": "#/components/responses/Problem"}
	}
	if r.Tagged() {
		all["304"] = object{"description": "Unchanged since the reply whose ETag is in If-None-Match."}
	}
	if r.Name == "getHealth" {
		all["503"] = object{
			"description": "Not ready.",
			"content":     object{"application/json": object{"schema": types.reply(r.Reply)}},
		}
	}
	return all
}

func success(types *types, r *api.Route) object {
	s := object{"description": http.StatusText(r.Status)}
	if r.Reply == nil {
		return s
	}
	kind, schema := "application/json", types.reply(r.Reply)
	if r.Type != "" {
		// The schema describes the text; each line of it is JSON.
		kind, schema = r.Type, object{"type": "string"}
		s["description"] = "One JSON object per line."
	}
	if r.Name == "followEvents" {
		types.reply(events.Change{})
		s["description"] = "Server-sent events. The data of an event gateway is a GatewayChange, that of tokens and records a Change, that of reset {}. " +
			"Lines that begin with a colon are comments: one at least every 15 seconds."
	}
	content := object{kind: object{"schema": schema}}
	if r.Name == "getUsage" {
		content["text/csv"] = object{"schema": object{"type": "string"}}
	}
	s["content"] = content
	headers := object{}
	switch {
	case r.Conditional || slices.Contains([]string{"createGateway", "getGateway", "createToken", "getToken"},
		r.Name):
		headers["ETag"] = object{"description": "The revision of the object, for If-Match, and a digest of the reply, for If-None-Match.", "schema": object{"type": "string"}}
	case r.Tagged():
		headers["ETag"] = object{
			"description": "A digest of the reply, for If-None-Match.",
			"schema":      object{"type": "string"},
		}
	}
	for _, p := range r.Query {
		if p.Name == "limit" {
			headers["Link"] = object{
				"description": "rel=\"next\": the next page, if there is one.",
				"schema":      object{"type": "string"},
			}
		}
	}
	if len(headers) > 0 {
		s["headers"] = headers
	}
	return s
}
