package caddymodule

import (
	"errors"
	"fmt"
	"reflect"
	"strings"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/policies"
)

// LivyServer describes how the gateway reaches the Livy server at the URL of an engine (runtime
// static): with which login, and with which certificates if the URL begins with `https`. Clients
// never see any of it, and their own tokens are not sent there. All files are read when the
// configuration is loaded.
type LivyServer struct {
	// The name of the engine.
	Name string `json:"engine"`
	// The user and the password that the server asks for, sent with Basic authentication. The
	// password must be a placeholder, such as `{file./run/secrets/livy}` or
	// `{env.LIVY_PASSWORD}`, because configurations can be read by others.
	User     string `json:"user,omitempty"`
	Password string `json:"password,omitempty"`
	// Headers of all requests to the server, e.g. a token. Values that look like secrets must
	// have a placeholder.
	Header map[string]string `json:"header,omitempty"`
	// A file with the certificates, in PEM, of the authorities that may have issued the
	// server's certificate. Default: the authorities that the machine trusts.
	CA string `json:"ca,omitempty"`
	// A file with a client certificate, and one with its key, both in PEM, for a server that
	// requires one.
	Cert string `json:"cert,omitempty"`
	Key  string `json:"key,omitempty"`
	// The name that the server's certificate must be for. Default: the host of the URL.
	ServerName string `json:"server_name,omitempty"`
}

// checkSecrets checks that there are no secrets in the configuration itself. It must be called
// before placeholders are replaced.
func (l *LivyServer) checkSecrets() error {
	if l.Password != "" && !placeholder.MatchString(l.Password) {
		return fmt.Errorf("engine %q: password must be a placeholder, {file.PATH} or {env.NAME}, "+
			"not the password itself", l.Name)
	}
	for name, value := range l.Header {
		if isSecretHeader(name) && !strings.Contains(value, "{env.") && !strings.Contains(value, "{file.") {
			return fmt.Errorf("engine %q: the header %s must have a placeholder, {file.PATH} or {env.NAME}, "+
				"for its secret", l.Name, name)
		}
	}
	return nil
}

// isSecretHeader reports whether the value of a header is probably a secret.
func isSecretHeader(name string) bool {
	switch strings.ToLower(name) {
	case "authorization", "cookie", "x-api-key", "apikey":
		return true
	}
	return policies.Redact(name, "") != ""
}

// connectEngines gives engines with a URL the servers there. It must be called after placeholders
// have been replaced.
func (a *App) connectEngines() error {
	described := make(map[string]*LivyServer)
	for _, l := range a.LivyServers {
		if described[l.Name] != nil {
			return fmt.Errorf("engine %q: its Livy server is described twice", l.Name)
		}
		described[l.Name] = l
	}
	for i := range a.Engines {
		e := &a.Engines[i]
		l := described[e.Name]
		delete(described, e.Name)
		for n := range e.URLs {
			if _, err := e.At(n + 2).LivyServer(); err != nil || e.URL == "" {
				return errors.Join(err, fmt.Errorf("engine %q: urls are further Livy servers like the one at url", e.Name))
			}
		}
		if e.URL == "" {
			if l != nil {
				return fmt.Errorf("engine %q: user, password, header and the options of TLS need a url", e.Name)
			}
			continue
		}
		if l == nil {
			l = new(LivyServer)
		}
		var err error
		e.Server, err = e.NewLivyServer(livy.ServerOptions{
			User: l.User, Password: l.Password, Header: l.Header, CA: l.CA, Cert: l.Cert, Key: l.Key, ServerName: l.ServerName,
		})
		if err != nil {
			return err
		}
	}
	for name := range described {
		return fmt.Errorf("livy_servers: no engine %q", name)
	}
	return nil
}

// unmarshalEngine parses an engine. The options of its Livy server go into a list of their own,
// since the catalog can be read by everybody.
func (a *App) unmarshalEngine(d *caddyfile.Dispenser) error {
	var e gateway.Engine
	l := new(LivyServer)
	if err := readEntry(d, &e, l); err != nil {
		return err
	}
	a.Engines = append(a.Engines, e)
	if !reflect.ValueOf(*l).IsZero() {
		l.Name = e.Name
		a.LivyServers = append(a.LivyServers, l)
	}
	return nil
}
