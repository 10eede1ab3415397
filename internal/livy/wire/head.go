package wire

import (
	"net/http"
	"strconv"
	"strings"
)

// Head makes the header of a request.
type Head struct{ b []byte }

// Begin begins with the request line and Host.
func (h *Head) Begin(b []byte, method, uri, host string) {
	b = append(append(append(b, method...), ' '), uri...)
	b = append(b, " HTTP/1.1\r\n"...)
	h.b = b
	h.Add("Host", host)
}

// Add adds a line. Line breaks in the value become spaces.
func (h *Head) Add(name, value string) {
	h.b = append(append(h.b, name...), ": "...)
	start := len(h.b)
	h.b = append(h.b, value...)
	for i, c := range h.b[start:] {
		if c == '\r' || c == '\n' || c == 0 {
			h.b[start+i] = ' '
		}
	}
	h.b = append(h.b, "\r\n"...)
}

// AddAll adds the lines of a header that are passed on to a server. Those that are about the
// connection, the length of the body, and those for which omit returns true are left out.
func (h *Head) AddAll(header http.Header, omit func(name string) bool) {
	named := header["Connection"]
	for name, values := range header {
		if own(name) || omit(name) || len(named) > 0 && listed(named, name) {
			continue
		}
		for _, value := range values {
			h.Add(name, value)
		}
	}
}

// End ends the header and returns it.
func (h *Head) End(method string, length int) []byte {
	if length > 0 || method == http.MethodPost || method == http.MethodPut || method == http.MethodPatch {
		h.b = append(h.b, "Content-Length: "...)
		h.b = strconv.AppendInt(h.b, int64(length), 10)
		h.b = append(h.b, "\r\n"...)
	}
	h.b = append(h.b, "\r\n"...)
	return h.b
}

// own reports whether a line is about the connection or the body's length, which are the
// gateway's own.
func own(name string) bool {
	switch name {
	case "Host", "Content-Length", "Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate",
		"Proxy-Authorization", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Expect":
		return true
	}
	return false
}

// listed reports whether a header is named in Connection.
func listed(connection []string, name string) bool {
	for _, list := range connection {
		for listed := range strings.SplitSeq(list, ",") {
			if strings.EqualFold(strings.TrimSpace(listed), name) {
				return true
			}
		}
	}
	return false
}
