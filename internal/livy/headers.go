package livy

import "net/http"

// RequestedBy is the header that Livy requires if its CSRF protection is on, and RequestedByUs is the
// gateway's value. Any will do.
const (
	RequestedBy   = "X-Requested-By"
	RequestedByUs = "livy-gateway"
)

// stripped are the headers that are always removed, in the spelling of net/http.
var stripped = []string{
	"X-Http-Method-Override", "X-Http-Method", "X-Method-Override", // Scalatra runs a POST as another method
	"Cookie", "Cookie2", "Proxy-Authorization", // Livy's own login would accept them
	"Accept-Encoding", "Content-Encoding", // the body is sent decoded, and replies must be readable
	// With it, Go's HTTP client repeats a POST when its connection breaks.
	"X-Idempotency-Key",
}

// StripRequestHeaders removes the client's headers that could change what Livy does with an
// already checked request, or cause it to be sent twice: method overrides, credentials and
// cookies, codings, X-Idempotency-Key; and RequestedBy, which callers set. Authorization stays if
// keepAuthorization is set, for a Livy that checks passwords itself. Callers remove the gateway's
// token header.
func StripRequestHeaders(h http.Header, keepAuthorization bool) {
	for _, name := range stripped {
		delete(h, name)
	}
	if !keepAuthorization {
		delete(h, "Authorization")
	}
	delete(h, RequestedBy)
}
