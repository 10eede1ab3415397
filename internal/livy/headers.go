package livy

import "net/http"

// stripped are the headers that are always removed, in the spelling of net/http.
var stripped = []string{
	"X-Http-Method-Override", "X-Http-Method", "X-Method-Override", // Scalatra runs a POST as another method
	"Cookie", "Cookie2", "Proxy-Authorization", // Livy's own login would believe them
	"Accept-Encoding", "Content-Encoding", // the body is sent decoded, and replies must be readable
	// By it Go's HTTP client sends a POST once more when its connection breaks.
	"X-Idempotency-Key",
}

// StripRequestHeaders removes from a client's headers all that could change
// what Livy does with a request that was already judged, or have it sent twice:
// method overrides, credentials and cookies, codings, X-Idempotency-Key. It sets
// X-Requested-By, which Livy asks for when its CSRF protection is on.
// Authorization stays when keepAuthorization is set, for a Livy that checks
// passwords itself. The gateway's token header is the caller's to remove.
func StripRequestHeaders(h http.Header, keepAuthorization bool) {
	for _, name := range stripped {
		delete(h, name)
	}
	if !keepAuthorization {
		delete(h, "Authorization")
	}
	h["X-Requested-By"] = []string{"livy-gateway"}
}
