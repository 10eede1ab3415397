package managedapi

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
)

// The prefixes of the API's paths. Only the list of sessions is below the second.
const (
	interactivePrefix = "/api/interactive/v1/workspace/"
	sessionsPrefix    = "/api/v1/workspaces/"
)

// operation is one operation of the API.
type operation struct {
	name, method string
	// path has the parameters {workspace}, {compute} and {token}.
	path string
	// query are the query parameters besides regionId.
	query []string
	serve func(*call) (any, error)
}

// operations returns all operations.
func operations() []operation {
	const (
		computes = interactivePrefix + "{workspace}/livycompute"
		compute  = computes + "/{compute}"
		allTok   = compute + "/token"
		token    = allTok + "/{token}"
	)
	return []operation{
		{"CreateLivyCompute", http.MethodPut, computes, nil, (*call).createCompute},
		{"ListLivyCompute", http.MethodGet, computes, []string{"environmentId"}, (*call).listComputes},
		{"GetLivyCompute", http.MethodGet, compute, nil, (*call).getCompute},
		{"UpdateLivyCompute", http.MethodPost, compute, nil, (*call).updateCompute},
		{"DeleteLivyCompute", http.MethodDelete, compute, nil, (*call).deleteCompute},
		{"StartLivyCompute", http.MethodPost, compute + "/start", nil, (*call).startCompute},
		{"StopLivyCompute", http.MethodPost, compute + "/stop", nil, (*call).stopCompute},
		{"CreateLivyComputeToken", http.MethodPut, allTok, nil, (*call).createToken},
		{"ListLivyComputeToken", http.MethodGet, allTok, nil, (*call).listTokens},
		{"GetLivyComputeToken", http.MethodGet, token, nil, (*call).getToken},
		{"RefreshLivyComputeToken", http.MethodPost, token, nil, (*call).refreshToken},
		{"DeleteLivyComputeToken", http.MethodDelete, token, nil, (*call).deleteToken},
		{
			"ListLivyComputeSessions", http.MethodGet, sessionsPrefix + "{workspace}/livycompute/{compute}/session",
			[]string{"pageNum", "pageSize"},
			(*call).listSessions,
		},
	}
}

// route finds the operation of the request, and the parameters in its path.
func (c *call) route(w http.ResponseWriter) error {
	if v := c.r.Header.Get(headerVersion); v != Version && v != "" {
		return refusef(http.StatusBadRequest, "InvalidVersion", "X-Acs-Version: must be %s (got %q)", Version, v)
	}
	action := c.r.Header.Get(headerAction)
	var allowed []string
	for _, op := range operations() {
		params, ok := matchPath(op.path, c.r.URL.EscapedPath())
		if !ok {
			continue
		}
		if op.method != c.r.Method {
			allowed = append(allowed, op.method)
			continue
		}
		if action != op.name {
			return refusef(http.StatusNotFound, "InvalidAction.NotFound", "X-Acs-Action: the path and method are those of %s (got %q)", op.name, action)
		}
		c.op = &op
		c.workspaceID, c.compute, c.token = params["{workspace}"], params["{compute}"], params["{token}"]
		return nil
	}
	if allowed != nil {
		w.Header().Set("Allow", strings.Join(slices.Sorted(slices.Values(allowed)), ", "))
		return refusef(http.StatusMethodNotAllowed, "UnsupportedHTTPMethod", "allowed methods: %s (got %q)", strings.Join(allowed, ", "), c.r.Method)
	}
	return refusef(http.StatusNotFound, "InvalidAction.NotFound",
		"this gateway serves only the operations on Livy gateways, not %q", action)
}

// matchPath matches an escaped path against a pattern and returns the unescaped parameters.
func matchPath(pattern, path string) (params map[string]string, ok bool) {
	want, have := strings.Split(pattern, "/"), strings.Split(path, "/")
	if len(want) != len(have) {
		return nil, false
	}
	params = make(map[string]string)
	for i, part := range want {
		value, err := url.PathUnescape(have[i])
		if err != nil || value == "" && i > 0 {
			return nil, false
		}
		if strings.HasPrefix(part, "{") {
			if strings.Contains(value, "/") || value == "." || value == ".." {
				return nil, false
			}
			params[part] = value
		} else if part != value {
			return nil, false
		}
	}
	return params, true
}

func escape(segment string) string { return url.PathEscape(segment) }
