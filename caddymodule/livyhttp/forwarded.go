package livyhttp

import (
	"net"
	"net/http"
	"strconv"
	"strings"

	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/livygateway/livygateway/internal/livy/wire"
)

// forwardedHeaders are the headers X-Forwarded-* of a request, as Caddy's reverse_proxy sets them:
// what a client says in them counts only if it is a trusted proxy.
type forwardedHeaders struct{ from, proto, host string }

const (
	forwardedFor   = "X-Forwarded-For"
	forwardedProto = "X-Forwarded-Proto"
	forwardedHost  = "X-Forwarded-Host"
)

func isForwarded(name string) bool {
	return name == forwardedFor || name == forwardedProto || name == forwardedHost
}

func forwarded(r *http.Request) (f forwardedHeaders) {
	trusted, _ := caddyhttp.GetVar(r.Context(), caddyhttp.TrustedProxyVarKey).(bool)
	if r.RemoteAddr == "@" { // a Unix socket
		if trusted {
			f.from = strings.Join(r.Header[forwardedFor], ", ")
		} else {
			return f
		}
	} else {
		client, _, err := net.SplitHostPort(r.RemoteAddr)
		if err != nil {
			return f
		}
		f.from, _, _ = strings.Cut(client, "%")
		if before := strings.Join(r.Header[forwardedFor], ", "); trusted && before != "" {
			f.from = before + ", " + f.from
		}
	}
	f.proto, f.host = "http", r.Host
	if r.TLS != nil {
		f.proto = "https"
	}
	if trusted {
		f.proto, f.host = last(r.Header[forwardedProto], f.proto), last(r.Header[forwardedHost], f.host)
	}
	return f
}

// last returns the last value of a header, or otherwise.
func last(values []string, otherwise string) string {
	if len(values) > 0 && values[len(values)-1] != "" {
		return values[len(values)-1]
	}
	return otherwise
}

func (f *forwardedHeaders) add(head *wire.Head) {
	if f.from != "" {
		head.Add(forwardedFor, f.from)
	}
	if f.proto != "" {
		head.Add(forwardedProto, f.proto)
		head.Add(forwardedHost, f.host)
	}
}

// via returns the value of the header Via.
func via(major, minor int) string {
	switch {
	case major == 1 && minor == 1:
		return "1.1 Caddy"
	case major == 2 && minor == 0:
		return "2.0 Caddy"
	}
	return strconv.Itoa(major) + "." + strconv.Itoa(minor) + " Caddy"
}
