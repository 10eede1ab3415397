package livy

import "net/http"

// methodOverrides make Scalatra run a POST as another method.
var methodOverrides = []string{"X-Http-Method-Override", "X-Http-Method", "X-Method-Override"}

// StripRequestHeaders removes from a client's headers all that could change
// what Livy does with a request that was already judged: method overrides,
// credentials and cookies (Livy's own login would believe them), codings (the
// body is sent decoded and replies must be readable). It sets X-Requested-By,
// which Livy asks for when its CSRF protection is on. Authorization stays when
// keepAuthorization is set, for a Livy that checks passwords itself. The
// gateway's token header is the caller's to remove.
func StripRequestHeaders(h http.Header, keepAuthorization bool) {
	for _, name := range methodOverrides {
		h.Del(name)
	}
	h.Del("Cookie")
	h.Del("Cookie2")
	h.Del("Proxy-Authorization")
	h.Del("Accept-Encoding")
	h.Del("Content-Encoding")
	if !keepAuthorization {
		h.Del("Authorization")
	}
	h.Set("X-Requested-By", "livy-gateway")
}
