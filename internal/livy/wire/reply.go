package wire

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"net/http"
	"net/textproto"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Reply is a reply whose header has arrived.
type Reply struct {
	Status int
	// Major and Minor are the version of HTTP that the server speaks.
	Major, Minor int

	conn *conn
	full *http.Response // nil for a simple reply, which is still in the connection's buffer
	// over is set once the body has been read, again if another request may follow.
	over, again bool

	// Of a simple reply.
	size   int    // of all before the body
	head   []byte // the lines of the header; valid until the body is read
	lines  int
	length int // of the body according to the header, or -1
	body   int // bytes of the body that have not been read
}

// maxInterim bounds the number of replies of status 1xx before the final one.
const maxInterim = 16

// readHead reads the header of the reply.
func (c *conn) readHead(q *Request) error {
	for range maxInterim {
		head, err := c.peekHead()
		if err != nil {
			return err
		}
		r := &c.reply
		r.over, r.full = false, nil
		if head != nil && r.simple(head, q.Method) {
			c.left = -1
			return nil
		}
		r.full, err = http.ReadResponse(c.in, &http.Request{Method: q.Method}) //nolint:bodyclose // Close ends the connection that it is read from
		if err != nil {
			return err
		}
		r.Status, r.Major, r.Minor = r.full.StatusCode, r.full.ProtoMajor, r.full.ProtoMinor
		switch {
		case r.Status == http.StatusSwitchingProtocols:
			return errors.New("the server switches to another protocol, which nobody asked for")
		case r.Status >= 200:
			r.again = !r.full.Close
			c.left = -1
			return c.begun()
		case q.Interim != nil:
			q.Interim(r)
		}
	}
	return errors.New("too many replies of status 1xx")
}

// begun removes the deadline: the rest of the reply may take any time.
func (c *conn) begun() error {
	c.until = time.Time{}
	return c.watch()
}

var endOfHead = []byte("\r\n\r\n")

// peekHead returns the status line and the header, with their line ends, if they fit in the
// buffer, and nil otherwise.
func (c *conn) peekHead() ([]byte, error) {
	for n := 1; ; {
		if _, err := c.in.Peek(n); err != nil {
			if errors.Is(err, bufio.ErrBufferFull) || c.in.Buffered() > 0 && errors.Is(err, io.EOF) {
				return nil, nil
			}
			return nil, err
		}
		seen, _ := c.in.Peek(c.in.Buffered())
		if i := bytes.Index(seen, endOfHead); i >= 0 {
			return seen[:i+2], nil
		}
		n = len(seen) + 1
	}
}

// simple prepares a reply of HTTP/1.1 with a length and without anything unusual in its header. It
// reports false for all others.
func (r *Reply) simple(head []byte, method string) bool {
	// HTTP/1.1 200 OK
	if len(head) < 15 || string(head[:9]) != "HTTP/1.1 " {
		return false
	}
	status, err := strconv.Atoi(string(head[9:12]))
	if err != nil || status < 200 || head[12] != ' ' && head[12] != '\r' {
		return false
	}
	line := bytes.IndexByte(head, '\n') + 1
	r.Status, r.Major, r.Minor = status, 1, 1
	r.size, r.head, r.lines, r.length, r.again = len(head)+2, head[line:], 0, -1, true
	for rest := r.head; len(rest) > 0; r.lines++ {
		name, value, next, ok := cutLine(rest)
		if !ok || !r.note(name, value) {
			return false
		}
		rest = next
	}
	if method == http.MethodHead || status == http.StatusNoContent || status == http.StatusNotModified {
		r.body = 0
	} else if r.body = r.length; r.length < 0 {
		return false
	}
	return true
}

// cutLine returns the first line of a header and what follows it. It reports false if the line is
// not a plain one.
func cutLine(head []byte) (name, value, rest []byte, ok bool) {
	end := bytes.IndexByte(head, '\r')
	if end < 0 || end+1 >= len(head) || head[end+1] != '\n' {
		return nil, nil, nil, false
	}
	line, rest := head[:end], head[end+2:]
	name, value, ok = bytes.Cut(line, colon)
	if !ok || len(name) == 0 {
		return nil, nil, nil, false
	}
	for _, b := range name {
		if b != '-' && (b < '0' || b > '9') && (b < 'A' || b > 'Z') && (b < 'a' || b > 'z') {
			return nil, nil, nil, false
		}
	}
	for _, b := range value {
		if b < ' ' && b != '\t' || b == 0x7f {
			return nil, nil, nil, false
		}
	}
	return name, bytes.Trim(value, " \t"), rest, true
}

var colon = []byte(":")

// note takes a line of the header into account. It reports false if the reply is not simple.
func (r *Reply) note(name, value []byte) bool {
	switch len(name) {
	case len("Content-Length"):
		if equalFold(name, "Content-Length") {
			n, err := strconv.ParseUint(string(value), 10, 31)
			if err != nil || r.length >= 0 || value[0] == '+' {
				return false
			}
			r.length = int(n)
		}
	case len("Connection"):
		if equalFold(name, "Connection") {
			r.again = false
			return equalFold(value, "close")
		}
		return !equalFold(name, "Keep-Alive")
	case len("Trailer"):
		return !equalFold(name, "Trailer") && !equalFold(name, "Upgrade") // of the same length
	case len("Te"):
		return !equalFold(name, "Te")
	case len("Transfer-Encoding"):
		return !equalFold(name, "Transfer-Encoding")
	case len("Proxy-Connection"):
		return !equalFold(name, "Proxy-Connection")
	case len("Proxy-Authenticate"):
		return !equalFold(name, "Proxy-Authenticate")
	}
	return true
}

func equalFold(b []byte, s string) bool { return len(b) == len(s) && strings.EqualFold(string(b), s) }

// AddHeader adds the header of the reply, without what is about the connection alone. It must be
// called before the body is read. Its values are put into room, an empty slice, as far as they fit.
func (r *Reply) AddHeader(to http.Header, room []string) {
	if r.full != nil {
		addHeader(to, r.full)
		return
	}
	// All lines are one string, and all values elements of one slice.
	text, values := string(r.head), room
	if cap(values) < r.lines {
		values = make([]string, 0, r.lines)
	}
	for len(text) > 0 {
		var line string
		line, text, _ = strings.Cut(text, "\r\n")
		name, value, _ := strings.Cut(line, ":")
		name, value = textproto.CanonicalMIMEHeaderKey(name), strings.Trim(value, " \t")
		if name == "Connection" {
			continue
		}
		if before, ok := to[name]; ok {
			to[name] = append(slices.Clip(before), value)
			continue
		}
		values = append(values, value)
		to[name] = values[len(values)-1 : len(values) : len(values)]
	}
}

// hop are the headers of a connection.
var hop = []string{
	"Connection", "Proxy-Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Te", "Trailer",
	"Transfer-Encoding", "Upgrade",
}

func addHeader(to http.Header, from *http.Response) {
	for _, list := range from.Header["Connection"] {
		for name := range strings.SplitSeq(list, ",") {
			from.Header.Del(strings.TrimSpace(name))
		}
	}
	for _, name := range hop {
		delete(from.Header, name)
	}
	for name, values := range from.Header {
		to[name] = append(to[name], values...)
	}
}
