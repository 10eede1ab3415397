package livyhttp

import "net/http"

// headerValues is memory for the values of headers of one request, instead of some of its own for
// each of them.
type headerValues struct {
	all  [12]string
	used int
}

// add adds a header. It must be called a few times only.
func (v *headerValues) add(to http.Header, name, value string) {
	if before := to[name]; len(before) > 0 {
		to[name] = append(before, value)
		return
	}
	v.all[v.used] = value
	v.used++
	to[name] = v.all[v.used-1 : v.used : v.used]
}

// rest returns what has not been used, as an empty slice.
func (v *headerValues) rest() []string { return v.all[v.used:v.used] }
