package livyhttp

import (
	"strconv"
	"strings"
)

// placeholder returns the value of a placeholder of a request, which the documentation of Gateway
// lists, or of the user's. Values are computed on demand.
func (c *call) placeholder(key string) (value any, known bool) {
	if key == userPlaceholder && c.token != nil {
		return c.token.ID, true
	}
	name, ours := strings.CutPrefix(key, "http.livy.")
	if !ours {
		return nil, false
	}
	switch name {
	case "gateway":
		return c.entry.Gateway.Spec.Name, true
	case "workspace":
		return c.entry.Gateway.Workspace, true
	case "route":
		return c.req.Route.Name, true
	case "token.id":
		if c.token != nil {
			return c.token.ID, true
		}
		return "", true
	case "token.name":
		if c.token != nil {
			return c.token.Name, true
		}
		return "", true
	case "session":
		return c.publicID(), true
	}
	return nil, false
}

// publicID returns the public id of the session or batch that a request is about, or "" if there
// is none or only its name is known.
func (c *call) publicID() string {
	switch {
	case c.createdID >= 0:
		return strconv.FormatInt(c.createdID, 10)
	case c.req.Route.HasID && (c.req.Name == "" || c.named):
		return strconv.FormatInt(c.req.ID, 10)
	}
	return ""
}
