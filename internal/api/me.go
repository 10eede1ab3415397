package api

import (
	"net/http"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/livygateway/livygateway/internal/access"
	"github.com/livygateway/livygateway/internal/tokens"
)

// Me is who asks, and what they may do.
type Me struct {
	// User is the name of who is logged in.
	User string `json:"user"`
	// Groups are the user's groups, where the site knows them.
	Groups []string `json:"groups"`
	// Roles are what the user is in which workspaces.
	Roles []access.WorkspaceRole `json:"roles"`
	// SelfService bounds the tokens that members make for themselves.
	SelfService SelfService `json:"selfService"`
	// RolesConfigured is false where everybody who is logged in may do everything.
	RolesConfigured bool `json:"rolesConfigured"`
	// Version is the gateway's version.
	Version string `json:"version"`
}

// SelfService is within what bounds a member may make tokens.
type SelfService struct {
	// MaxLifetime is the longest life of such a token, in hours: "720h".
	MaxLifetime string `json:"maxLifetime"`
	// MaxTokens is how many of them a user may have.
	MaxTokens int `json:"maxTokens"`
	// Scopes are those that they may have.
	Scopes []tokens.Scope `json:"scopes"`
}

func (c *call) me() error {
	bounds := c.Tokens.Bounds(c.surface.SelfService)
	return c.reply(http.StatusOK, Me{
		User: c.rights.User, Groups: append([]string{}, c.rights.Groups...), Roles: c.rights.List(),
		SelfService: SelfService{
			MaxLifetime: strconv.FormatInt(int64(bounds.MaxLifetime/time.Hour), 10) + "h",
			MaxTokens:   bounds.MaxTokens, Scopes: bounds.Scopes,
		},
		RolesConfigured: c.surface.Policy != nil, Version: version(),
	})
}

const modulePath = "github.com/livygateway/livygateway"

// version is the version of this module in the program that it was built into.
var version = sync.OnceValue(func() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "unknown"
	}
	for _, m := range append(info.Deps, &info.Main) {
		if m.Path != modulePath {
			continue
		}
		if m.Replace != nil {
			m = m.Replace
		}
		if m.Version != "" {
			return strings.Trim(m.Version, "()")
		}
	}
	return "devel"
})
