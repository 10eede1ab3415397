package caddymodule

import (
	"fmt"
	"regexp"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/livygateway/livygateway/internal/control"
)

// LDAPLogin has the credentials of an LDAP user with which the gateway itself sends requests to
// Livy servers whose livy.conf requires logins of that directory. The user needs no rights in the
// directory and should not be used for anything else.
type LDAPLogin struct {
	// The name of this entry, for messages.
	Name string `json:"name"`
	// The address of the directory. It must be equal to `livy.server.auth.ldap.url` of the
	// gateways that the login is for.
	URL string `json:"url"`
	// The base DN. It must be equal to `livy.server.auth.ldap.base-dn` of these gateways.
	BaseDN string `json:"base_dn"`
	// Whether `livy.server.auth.ldap.enable-start-tls` of these gateways is true. Default: false.
	StartTLS bool `json:"start_tls,omitempty"`
	// The name of the user.
	User string `json:"user"`
	// A placeholder for the password, such as `{file./run/secrets/livy}` or
	// `{env.LIVY_LDAP_PASSWORD}`. A literal password is refused, because configurations can be
	// read by others.
	Password string `json:"password"`
}

var placeholder = regexp.MustCompile(`^\{(env|file)\.[^{}]+\}$`)

// checkPassword checks that the password is a placeholder. It must be called before placeholders
// are replaced.
func (l *LDAPLogin) checkPassword() error {
	if !placeholder.MatchString(l.Password) {
		return fmt.Errorf("ldap_login %q: password must be a placeholder, {file.PATH} or {env.NAME}, "+
			"not the password itself", l.Name)
	}
	return nil
}

// login returns the checked login. It must be called after placeholders have been replaced.
func (l *LDAPLogin) login() (control.Login, error) {
	if l.URL == "" || l.BaseDN == "" || l.User == "" {
		return control.Login{}, fmt.Errorf("ldap_login %q: url, base_dn and user are required", l.Name)
	}
	return control.Login{
		Name: l.Name, StartTLS: l.StartTLS, URL: l.URL, BaseDN: l.BaseDN, User: l.User, Password: l.Password,
	}, nil
}

// readLogins returns the logins of all entries.
func readLogins(entries []*LDAPLogin) ([]control.Login, error) {
	var all []control.Login
	for _, l := range entries {
		login, err := l.login()
		if err != nil {
			return nil, err
		}
		all = append(all, login)
	}
	return all, nil
}

// unmarshalLDAPLogin parses
//
//	ldap_login <name> {
//	    url      <url>
//	    base_dn  <dn>
//	    start_tls
//	    user     <user>
//	    password {file.<path>}|{env.<name>}
//	}
func (a *App) unmarshalLDAPLogin(d *caddyfile.Dispenser) error {
	l := new(LDAPLogin)
	a.LDAPLogins = append(a.LDAPLogins, l)
	return readEntry(d, l)
}
