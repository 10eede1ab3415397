package livy

import (
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"maps"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"
)

// ServerOptions describe a Livy server that somebody else runs, and how to log in to it.
type ServerOptions struct {
	// URL is http:// or https://, a host, and perhaps a port and a path.
	URL string
	// User and Password are sent with Basic authentication if there is a User.
	User, Password string
	// Header is set in all requests.
	Header map[string]string
	// CA is a file with the authorities that may have issued the server's certificate. Cert and
	// Key are the files of a client certificate. ServerName is the name that the server's
	// certificate must be for; the URL's host by default.
	CA, Cert, Key, ServerName string
}

// OptionError is an error in one of the ServerOptions. It does not quote secrets.
type OptionError struct{ Option, Value, Rule string }

// Error returns the option and the rule.
func (e *OptionError) Error() string {
	if e.Value == "" {
		return e.Option + ": " + e.Rule
	}
	return fmt.Sprintf("%s: %s (got %q)", e.Option, e.Rule, e.Value)
}

// Server is a Livy server at a URL. As a http.RoundTripper, it adds the login to requests to
// that server, and refuses all others. It is safe for concurrent use.
type Server struct {
	base      *url.URL
	dial      string
	plain     bool
	user, pwd string
	header    http.Header
	transport *http.Transport
}

// NewServer checks the options and reads the files. It does not use the network.
func NewServer(o ServerOptions) (*Server, error) {
	base, err := parseServerURL(o.URL)
	if err != nil {
		return nil, err
	}
	s := &Server{base: base, user: o.User, pwd: o.Password, header: make(http.Header)}
	if (o.User == "") != (o.Password == "") {
		return nil, &OptionError{"password", "", "goes with user: set both or neither"}
	}
	if strings.Contains(o.User, ":") {
		return nil, &OptionError{"user", "", "must not contain a colon"}
	}
	if err := s.setHeader(o.Header); err != nil {
		return nil, err
	}
	port := base.Port()
	if port == "" {
		port = map[string]string{"http": "80", "https": "443"}[base.Scheme]
	}
	s.dial = net.JoinHostPort(base.Hostname(), port)
	s.plain = base.Scheme == "http" && base.Path == "" && o.User == "" && len(o.Header) == 0
	// Connections are those of Caddy's reverse_proxy to other servers; see livyhttp.
	s.transport = &http.Transport{
		Proxy:                 nil,
		DialContext:           (&net.Dialer{Timeout: 2 * time.Second}).DialContext,
		TLSHandshakeTimeout:   5 * time.Second,
		MaxIdleConnsPerHost:   256,
		IdleConnTimeout:       20 * time.Second,
		DisableCompression:    true,
		ExpectContinueTimeout: time.Second,
	}
	s.transport.TLSClientConfig, err = o.tls(base.Scheme == "https")
	return s, err
}

func parseServerURL(text string) (*url.URL, error) {
	bad := func(rule string) error { return &OptionError{"url", text, rule} }
	u, err := url.Parse(text)
	switch {
	case text != "" && (err != nil || u.User != nil):
		// What cannot be parsed may contain a password as well.
		return nil, &OptionError{"url", "", "must be the URL of a Livy server without a login in it: use user and password"}
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return nil, bad("must be http://HOST:PORT or https://HOST:PORT, with a path if Livy is below one")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "":
		return nil, bad("must have nothing after the path")
	case strings.Contains(u.Path, "//") || strings.Contains(u.Path+"/", "/./") || strings.Contains(u.Path+"/", "/../"):
		return nil, bad("must have a plain path, without dot segments and doubled slashes")
	}
	u.Host = strings.ToLower(u.Host)
	u.Path, u.RawPath = strings.TrimRight(u.Path, "/"), strings.TrimRight(u.RawPath, "/")
	return u, nil
}

// ownHeaders are set by HTTP itself, or by the gateway for Livy.
var ownHeaders = map[string]bool{
	"Host": true, "Connection": true, "Content-Length": true, "Content-Type": true, "Content-Encoding": true,
	"Transfer-Encoding": true, "Te": true, "Trailer": true, "Upgrade": true, "Expect": true, "Accept-Encoding": true,
	"X-Requested-By": true,
}

func (s *Server) setHeader(header map[string]string) error {
	for name, value := range header {
		canonical := http.CanonicalHeaderKey(name)
		switch {
		case name == "" || strings.Trim(name, headerLetters) != "":
			return &OptionError{"header", name, "must be the name of a header"}
		case ownHeaders[canonical]:
			return &OptionError{"header", name, "is a header that the gateway sets itself"}
		case canonical == "Authorization" && s.user != "":
			return &OptionError{"header", name, "cannot be set together with user and password"}
		case strings.ContainsFunc(value, func(c rune) bool { return c < ' ' || c == 0x7f }):
			return &OptionError{"header", name, "must have a value in one line"}
		}
		s.header[canonical] = []string{value}
	}
	return nil
}

const headerLetters = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"

// tls returns the configuration of TLS, nil for http.
func (o *ServerOptions) tls(https bool) (*tls.Config, error) {
	if !https {
		for option, value := range map[string]string{"ca": o.CA, "cert": o.Cert, "key": o.Key, "server_name": o.ServerName} {
			if value != "" {
				return nil, &OptionError{option, value, "needs a url that begins with https://"}
			}
		}
		return nil, nil
	}
	c := &tls.Config{MinVersion: tls.VersionTLS12, ServerName: o.ServerName}
	if o.CA != "" {
		text, err := os.ReadFile(o.CA)
		if err != nil {
			return nil, &OptionError{"ca", o.CA, "must be a file that can be read: " + reason(err)}
		}
		c.RootCAs = x509.NewCertPool()
		if !c.RootCAs.AppendCertsFromPEM(text) {
			return nil, &OptionError{"ca", o.CA, "must hold a certificate in PEM"}
		}
	}
	if (o.Cert == "") != (o.Key == "") {
		return nil, &OptionError{"key", "", "goes with cert: set both or neither"}
	}
	if o.Cert != "" {
		pair, err := tls.LoadX509KeyPair(o.Cert, o.Key)
		if err != nil {
			return nil, &OptionError{"cert", o.Cert, "must be, with " + o.Key + ", a certificate and its key in PEM: " + reason(err)}
		}
		c.Certificates = []tls.Certificate{pair}
	}
	return c, nil
}

// reason returns an error without the path.
func reason(err error) string {
	if p, ok := errors.AsType[*os.PathError](err); ok {
		return p.Err.Error()
	}
	return err.Error()
}

// Plain reports whether the server is reached at host:port without anything else.
func (s *Server) Plain() bool { return s.plain }

// LogsIn reports whether requests have a login.
func (s *Server) LogsIn() bool { return s.user != "" || len(s.header) > 0 }

// Address identifies the server: host:port if it is plain, its URL otherwise.
func (s *Server) Address() string {
	if s.plain {
		return s.dial
	}
	return s.base.String()
}

// HostPort returns the address to connect to.
func (s *Server) HostPort() string { return s.dial }

// IsURL reports whether an Address is that of a server that is not plain.
func IsURL(address string) bool { return strings.Contains(address, "://") }

// Client returns an HTTP client for the server only, which follows no redirects.
func (s *Server) Client() *http.Client {
	return &http.Client{
		Transport:     s,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
}

// RoundTrip sends a request to the server, with the login.
func (s *Server) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.Scheme != s.base.Scheme || r.URL.Host != s.base.Host {
		if r.Body != nil {
			_ = r.Body.Close()
		}
		return nil, errors.New("a request to another server than " + s.base.Host)
	}
	out := r.WithContext(r.Context())
	out.Header = r.Header.Clone()
	maps.Copy(out.Header, s.header)
	if s.user != "" {
		out.SetBasicAuth(s.user, s.pwd)
	}
	return s.transport.RoundTrip(out)
}

// Forward sends a request for a path of Livy's API, e.g. "/sessions/3", to the server.
func (s *Server) Forward(r *http.Request) (*http.Response, error) {
	out := r.WithContext(r.Context())
	u := *r.URL
	u.Scheme, u.Host = s.base.Scheme, s.base.Host
	if s.base.RawPath != "" {
		u.RawPath = s.base.RawPath + r.URL.EscapedPath()
	}
	u.Path = s.base.Path + r.URL.Path
	out.URL, out.Host = &u, s.base.Host
	return s.RoundTrip(out)
}

// Local returns the path of Livy's API in a Location that the server, or a proxy before it,
// sent: without the server's own address and path.
func (s *Server) Local(location string) string {
	u, err := url.Parse(location)
	if err != nil || u.Host != "" && !strings.EqualFold(u.Host, s.base.Host) {
		return location
	}
	path := u.EscapedPath()
	if rest, ok := strings.CutPrefix(path, s.base.EscapedPath()); ok && strings.HasPrefix(rest, "/") {
		return rest
	}
	return path
}
