package core

import (
	"net/http"
	"regexp"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"
)

// outerPrefix returns the beginning of a request's public path that was removed before its
// handlers were called, without a trailing slash: by handle_path or "uri strip_prefix" in this
// Caddy, and by a trusted proxy in front that names it in X-Forwarded-Prefix.
func outerPrefix(r *http.Request) string {
	prefix := strippedPrefix(r)
	if !FromTrustedProxy(r) {
		return prefix
	}
	forwarded := r.Header.Values("X-Forwarded-Prefix")
	if len(forwarded) != 1 {
		return prefix
	}
	return safePrefix(strings.TrimRight(forwarded[0], "/")) + prefix
}

// strippedPrefix compares the path with that of the request as it arrived. A path that was
// rewritten in any other way has no public form that could be found again.
func strippedPrefix(r *http.Request) string {
	original, ok := r.Context().Value(caddyhttp.OriginalRequestCtxKey).(http.Request)
	if !ok || original.URL == nil {
		return ""
	}
	path := original.URL.EscapedPath()
	prefix, ok := strings.CutSuffix(path, r.URL.EscapedPath())
	if !ok {
		// What is stripped as a whole leaves "/", which is not in the original path.
		if r.URL.Path != "/" {
			return ""
		}
		prefix = path
	}
	return safePrefix(strings.TrimRight(prefix, "/"))
}

// plainPrefix is what a prefix may look like. It becomes a part of Location, which a second slash
// at the beginning would lead to another host, of the paths of cookies and of policies for
// browsers.
var plainPrefix = regexp.MustCompile(`^(/[A-Za-z0-9._~%-]+)+$`)

func safePrefix(prefix string) string {
	if !plainPrefix.MatchString(prefix) {
		return ""
	}
	return prefix
}
