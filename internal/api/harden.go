package api

import "net/http"

// Harden sets headers for replies that are data, not pages: a browser does not run scripts in it,
// does not sniff its type, and gives it an opaque origin, so that no page of the same site can read
// it in a window or frame.
func Harden(h http.Header) {
	values := []string{"default-src 'none'; sandbox", "nosniff"}
	h["Content-Security-Policy"], h["X-Content-Type-Options"] = values[0:1:1], values[1:2:2]
}
