package api

import "net/http"

// The values of Harden.
const (
	ContentSecurityPolicy = "default-src 'none'; sandbox"
	NoSniff               = "nosniff"
)

// Harden sets headers for replies that are data, not pages: a browser does not run scripts in it,
// does not sniff its type, and gives it an opaque origin, so that no page of the same site can read
// it in a window or frame.
func Harden(h http.Header) {
	h.Set("Content-Security-Policy", ContentSecurityPolicy)
	h.Set("X-Content-Type-Options", NoSniff)
}
