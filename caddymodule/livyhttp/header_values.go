package livyhttp

import (
	"net/http"

	"github.com/livygateway/livygateway/internal/api"
)

// headerValues is memory for the values of headers of one request, instead of some of its own for
// each of them.
type headerValues struct {
	all  [16]string
	used int
}

// set sets a header. It must be called a few times only.
func (v *headerValues) set(to http.Header, name, value string) {
	v.all[v.used] = value
	v.used++
	to[name] = v.all[v.used-1 : v.used : v.used]
}

// harden does what api.Harden does.
func (v *headerValues) harden(to http.Header) {
	v.set(to, "Content-Security-Policy", api.ContentSecurityPolicy)
	v.set(to, "X-Content-Type-Options", api.NoSniff)
}

// rest returns what has not been used, as an empty slice.
func (v *headerValues) rest() []string { return v.all[v.used:v.used] }
