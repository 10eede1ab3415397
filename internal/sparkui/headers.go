package sparkui

import (
	"net/http"
	"regexp"
)

// headers are the reply headers that pages of the UI may have. A driver runs users' code. With
// other headers, it could set cookies, extend a script's scope to the whole site
// (Service-Worker-Allowed) or delete the site's logins in a browser (Clear-Site-Data). The
// headers that protect the site are set by the gateway (contentPolicy).
var headers = []string{
	"Content-Disposition", "Content-Encoding", "Content-Length", "Content-Type", "Date",
	"Etag", "Last-Modified", "Location", "Vary", "X-Frame-Options", "X-Xss-Protection",
}

// contentPolicy returns the Content-Security-Policy for pages of a Spark UI. A driver's pages can
// have scripts that users wrote. They run in the origin of the site and must not read or change
// its other pages.
//
// Everything is loaded from the UI's own path. Otherwise, scripts could request the UIs of other
// records with the browser's cookies, or anything else that the site serves. They could also read
// windows (so there is no allow-popups) and frames of the same origin. The sandbox keeps the
// origin, which Spark's own scripts need for their requests.
func contentPolicy(origin, base string) string {
	own, fetched := origin+base+"/", origin+base+"/"
	if origin == "" {
		own, fetched = "'self'", "'none'" // pages are shown, but cannot load data
	}
	return "sandbox allow-scripts allow-same-origin allow-forms allow-downloads" +
		"; default-src " + own + " 'unsafe-inline' data:" +
		"; connect-src " + fetched + "; form-action " + fetched +
		"; frame-src 'none'; frame-ancestors 'none'; worker-src 'none'; object-src 'none'" +
		"; manifest-src 'none'; base-uri 'none'"
}

// policyHost matches hosts that can be in a Content-Security-Policy, which IPv6 addresses cannot.
var policyHost = regexp.MustCompile(`^[A-Za-z0-9._-]+(:[0-9]{1,5})?$`)

// linkHost matches hosts that can be in a link.
var linkHost = regexp.MustCompile(`^([A-Za-z0-9._-]+|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?$`)

// LinkOrigin returns the origin that links in the reply to a request begin with, or "" if the
// request names no host.
func LinkOrigin(r *http.Request, trustedProxy bool) string {
	scheme, host := originOf(r, trustedProxy)
	if !linkHost.MatchString(host) {
		return ""
	}
	return scheme + "://" + host
}

// BrowserOrigin returns the origin of a request's reply in the browser, or "" if a policy cannot
// name it. If Caddy is reached by plain HTTP although the browser's connection may be HTTPS, the
// origin begins with http, which matches both. Headers of a proxy are only used if the proxy is
// trusted.
func BrowserOrigin(r *http.Request, trustedProxy bool) string {
	scheme, host := originOf(r, trustedProxy)
	if !policyHost.MatchString(host) {
		return ""
	}
	return scheme + "://" + host
}

// originOf returns the scheme and host that a client sees.
func originOf(r *http.Request, trustedProxy bool) (scheme, host string) {
	scheme, host = "http", r.Host
	if r.TLS != nil {
		scheme = "https"
	}
	if trustedProxy {
		if forwarded := r.Header.Values("X-Forwarded-Host"); len(forwarded) == 1 {
			host = forwarded[0]
		}
		if r.Header.Get("X-Forwarded-Proto") == "https" {
			scheme = "https"
		}
	}
	return scheme, host
}
