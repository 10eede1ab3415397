package sparkui

import (
	"net/http"
	"regexp"
)

// headers are the headers that pages of the UI may have. A driver runs users' code:
// others could set cookies, give a page's scripts power over the whole site
// (Service-Worker-Allowed) or have a browser throw the site's logins away
// (Clear-Site-Data). What guards the site is the gateway's to say (contentPolicy).
var headers = []string{
	"Content-Disposition", "Content-Encoding", "Content-Length", "Content-Type", "Date",
	"Etag", "Last-Modified", "Location", "Vary", "X-Frame-Options", "X-Xss-Protection",
}

// contentPolicy is the Content-Security-Policy of the pages of one Spark UI: a driver's page
// holds scripts that users wrote, and they run in the origin of the site, whose other
// pages they must neither read nor act on.
//
// Everything is loaded from below the UI's own path alone, since scripts would else ask
// for the UIs of other records with the browser's cookies, or for what else the site
// serves. Windows (no allow-popups) and frames of the same origin could be read just so.
// The sandbox keeps the origin, which Spark's own scripts need for their requests.
func contentPolicy(origin, base string) string {
	own, fetched := origin+base+"/", origin+base+"/"
	if origin == "" {
		own, fetched = "'self'", "'none'" // the pages are shown, and ask for nothing more
	}
	return "sandbox allow-scripts allow-same-origin allow-forms allow-downloads" +
		"; default-src " + own + " 'unsafe-inline' data:" +
		"; connect-src " + fetched + "; form-action " + fetched +
		"; frame-src 'none'; frame-ancestors 'none'; worker-src 'none'; object-src 'none'" +
		"; manifest-src 'none'; base-uri 'none'"
}

// policyHost matches the hosts that a Content-Security-Policy can name; IPv6 addresses are
// none.
var policyHost = regexp.MustCompile(`^[A-Za-z0-9._-]+(:[0-9]{1,5})?$`)

// BrowserOrigin is the origin that a request's answer has in the browser, "" where a
// policy cannot name it. Where Caddy is reached by plain HTTP and the browser's own
// connection may be HTTPS, `http` stands for both. What a proxy says is believed if the
// proxy is trusted.
func BrowserOrigin(r *http.Request, trustedProxy bool) string {
	scheme, host := "http", r.Host
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
	if !policyHost.MatchString(host) {
		return ""
	}
	return scheme + "://" + host
}
