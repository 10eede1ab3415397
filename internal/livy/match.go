package livy

import (
	"math"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Request is a parsed request line. It holds all that is needed to write the request line
// again, independent of how the client spelt it.
type Request struct {
	Route *Route
	// Method is the upper-case method to send: Route.Method, or HEAD.
	Method string
	// ID is the public id in the path, -1 if there is none or the path has a name in its
	// place. The caller resolves the name and sets the id here.
	ID int64
	// Name is the session's or batch's name, if the path has one.
	Name string
	// Sub is the id of the statement or job in the path, -1 if there is none.
	Sub int64
	// Query holds the query parameters that Livy knows on this route.
	Query Query
}

// Query holds the query parameters that are passed on to Livy, on routes that use them.
type Query struct {
	From, Size       int32
	HasFrom, HasSize bool
	// Desc is true for order=desc.
	Desc bool
}

const maxSegments = 5

// template is a route's path split into segments. Methods of the same path share a template.
type template struct {
	segments []string
	routes   []*Route
	allow    string
}

var templates = compile(Routes)

func compile(routes []Route) []template {
	var out []template
	index := map[string]int{}
	for i := range routes {
		r := &routes[i]
		r.Collection = r.Template == "/sessions" || r.Template == "/batches"
		r.HasID = strings.Contains(r.Template, "{id}")
		r.HasSub = strings.Contains(r.Template, "{sub}")
		n, ok := index[r.Template]
		if !ok {
			n = len(out)
			index[r.Template] = n
			out = append(out, template{segments: strings.Split(r.Template[1:], "/")})
		}
		t := &out[n]
		t.routes = append(t.routes, r)
		if t.allow != "" {
			t.allow += ", "
		}
		t.allow += r.Method
		if r.Method == http.MethodGet {
			t.allow += ", HEAD"
		}
	}
	return out
}

// Match parses a request line strictly. rawPath is the escaped path below the gateway's
// prefix, beginning with "/"; rawQuery is the part after the question mark. The method may
// be in any case, since Livy runs "post" as POST; the returned one is upper-case. Every
// error is an *Error.
func Match(method, rawPath, rawQuery string) (Request, error) {
	var segs [maxSegments]string
	n, slash, err := split(rawPath, &segs)
	if err != nil {
		return Request{}, err
	}
	for i := range templates {
		t := &templates[i]
		if len(t.segments) != n || !t.matches(&segs) {
			continue
		}
		if slash && n > 1 {
			// Livy accepts a trailing slash on its collections only.
			return Request{}, errNoRoute
		}
		return t.request(method, &segs, rawQuery)
	}
	return Request{}, errNoRoute
}

// split splits a path into at most maxSegments segments and rejects every spelling that
// Jetty, Scalatra and Go might interpret differently.
func split(path string, segs *[maxSegments]string) (n int, slash bool, err error) {
	if path == "" || path[0] != '/' {
		return 0, false, errPath
	}
	if strings.HasPrefix(path, "//") {
		return 0, false, errDoubled
	}
	slashes, named := 0, false
	for i := 0; i < len(path); i++ {
		switch {
		case path[i] == '/':
			slashes++
		case isUnreserved(path[i]):
		case slashes == 2 && isNameByte(path[i]):
			named = true // a name, which never goes upstream
		default:
			return 0, false, errPath
		}
	}
	rest := path[1:]
	if rest == "" {
		return 0, false, errNoRoute
	}
	if rest[len(rest)-1] == '/' {
		slash = true
		rest = rest[:len(rest)-1]
	}
	for more := true; more; {
		var seg string
		seg, rest, more = strings.Cut(rest, "/")
		if seg == "" || seg == "." || seg == ".." {
			return 0, false, errPath
		}
		if n < maxSegments {
			segs[n] = seg
		}
		n++
	}
	if named {
		if _, ok := nameIn(segs[1]); !ok {
			return 0, false, errPath
		}
	}
	return n, slash, nil
}

func isUnreserved(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' ||
		c == '-' || c == '.' || c == '_' || c == '~'
}

func (t *template) matches(segs *[maxSegments]string) bool {
	for i, want := range t.segments {
		if want[0] != '{' && want != segs[i] {
			return false
		}
	}
	return true
}

func (t *template) request(method string, segs *[maxSegments]string, rawQuery string) (Request, error) {
	req := Request{ID: -1, Sub: -1}
	req.Route, req.Method = t.route(method)
	if req.Route == nil {
		return Request{}, &Error{
			Status:  http.StatusMethodNotAllowed,
			Message: "this method does not exist on this path", Allow: t.allow,
		}
	}
	for i, want := range t.segments {
		switch want {
		case "{id}":
			if !allDigits(segs[i]) {
				var ok bool
				if req.Name, ok = nameIn(segs[i]); !ok {
					return Request{}, errPath
				}
			} else if req.ID = parseID(segs[i]); req.ID < 0 {
				return Request{}, errNoSession
			}
		case "{sub}":
			if req.Sub = parseID(segs[i]); req.Sub < 0 {
				return Request{}, errNoRoute
			}
		}
	}
	var err error
	req.Query, err = parseQuery(req.Route, rawQuery)
	return req, err
}

func (t *template) route(method string) (*Route, string) {
	for _, r := range t.routes {
		if strings.EqualFold(method, r.Method) {
			return r, r.Method
		}
		if r.Method == http.MethodGet && strings.EqualFold(method, http.MethodHead) {
			return r, http.MethodHead
		}
	}
	return nil, ""
}

func allDigits(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return false
		}
	}
	return true
}

// parseID parses an id as the gateway writes it: no sign, no leading zero, at most 32 bits.
// It returns -1 for anything else, even if Livy might accept it as a number.
func parseID(s string) int64 {
	if s == "" || len(s) > 10 || !allDigits(s) || len(s) > 1 && s[0] == '0' {
		return -1
	}
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n > math.MaxInt32 {
		return -1
	}
	return n
}

// parseQuery keeps from, size and order and drops everything else (doAs, _method, user.name
// and whatever a later Livy may understand).
func parseQuery(r *Route, raw string) (Query, error) {
	var q Query
	for raw != "" && (r.Page || r.Order) {
		var pair string
		pair, raw, _ = strings.Cut(raw, "&")
		key, value, _ := strings.Cut(pair, "=")
		switch {
		case key == "from" && r.Page:
			n, ok := parseInt32(value)
			if !ok || q.HasFrom {
				return q, errQuery
			}
			q.From, q.HasFrom = n, true
		case key == "size" && r.Page:
			n, ok := parseInt32(value)
			if !ok || q.HasSize {
				return q, errQuery
			}
			q.Size, q.HasSize = n, true
		case key == "order" && r.Order:
			q.Desc = strings.EqualFold(value, "desc")
		}
	}
	return q, nil
}

func parseInt32(s string) (int32, bool) {
	if !allDigits(strings.TrimPrefix(s, "-")) {
		return 0, false
	}
	n, err := strconv.ParseInt(s, 10, 32)
	return int32(n), err == nil
}

// UpstreamURI returns the path and query to send to Livy, where base is the offset between
// Livy's ids and public ids (0 before the first restart). A request by name must have its ID
// set. For an id from before the current server (ID < base) it returns false, and the caller
// answers the request.
func (r *Request) UpstreamURI(base int64) (string, bool) {
	if !r.Reaches(base) {
		return "", false
	}
	return r.write(r.ID - base), true
}

// Reaches reports whether UpstreamURI returns true.
func (r *Request) Reaches(base int64) bool { return !r.Route.HasID || r.ID >= max(base, 0) }

// Path returns the canonical public path without the query, e.g. for logs. For a request by
// name it contains the name.
func (r *Request) Path() string {
	c := *r
	c.Query = Query{}
	return c.write(r.ID)
}

func (r *Request) write(id int64) string {
	var room [96]byte
	b := room[:0]
	rest := r.Route.Template[1:]
	for more := true; more; {
		var seg string
		seg, rest, more = strings.Cut(rest, "/")
		b = append(b, '/')
		switch {
		case seg == "{id}" && r.ID < 0:
			b = append(b, url.PathEscape(r.Name)...)
		case seg == "{id}":
			b = strconv.AppendInt(b, id, 10)
		case seg == "{sub}":
			b = strconv.AppendInt(b, r.Sub, 10)
		default:
			b = append(b, seg...)
		}
	}
	return string(r.Query.append(b))
}

func (q *Query) append(b []byte) []byte {
	sep := byte('?')
	if q.HasFrom {
		b = strconv.AppendInt(append(append(b, sep), "from="...), int64(q.From), 10)
		sep = '&'
	}
	if q.HasSize {
		b = strconv.AppendInt(append(append(b, sep), "size="...), int64(q.Size), 10)
		sep = '&'
	}
	if q.Desc {
		b = append(append(b, sep), "order=desc"...)
	}
	return b
}
