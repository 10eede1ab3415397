package api

import "net/http"

// Harden sets the headers of an answer that is data and no page: a browser runs nothing
// of it, takes it for no other type than it says, and gives it no origin, so that no page
// of the same site can read it in a window or frame.
func Harden(h http.Header) {
	h.Set("Content-Security-Policy", "default-src 'none'; sandbox")
	h.Set("X-Content-Type-Options", "nosniff")
}
