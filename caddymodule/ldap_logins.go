package caddymodule

import (
	"fmt"
	"regexp"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/livygateway/livygateway/internal/control"
)

// LDAPLogin is a user of an LDAP directory as which the gateway itself asks Livy
// servers whose livy.conf lets only users of that directory in. It needs no
// rights in the directory, and should be used for nothing else.
type LDAPLogin struct {
	// A name, for messages.
	Name string `json:"name"`
	// The directory: `livy.server.auth.ldap.url` of the gateways that it is for.
	URL string `json:"url"`
	// `livy.server.auth.ldap.base-dn` of those gateways.
	BaseDN string `json:"base_dn"`
	// Only for gateways whose `livy.server.auth.ldap.enable-start-tls` is true.
	// Default: false.
	StartTLS bool `json:"start_tls,omitempty"`
	// The user's name.
	User string `json:"user"`
	// Where the password is: a placeholder such as `{file./run/secrets/livy}` or
	// `{env.LIVY_LDAP_PASSWORD}`. The password itself is refused, because
	// configurations can be read.
	Password string `json:"password"`
}

var placeholder = regexp.MustCompile(`^\{(env|file)\.[^{}]+\}$`)

// checkPassword sees to it that the password stands elsewhere; it looks at what the
// operator wrote, before placeholders are replaced.
func (l *LDAPLogin) checkPassword() error {
	if !placeholder.MatchString(l.Password) {
		return fmt.Errorf("ldap_login %q: password must be a placeholder, {file.PATH} or {env.NAME}, not the password itself", l.Name)
	}
	return nil
}

// login checks what the operator wrote, with placeholders replaced.
func (l *LDAPLogin) login() (control.Login, error) {
	if l.URL == "" || l.BaseDN == "" || l.User == "" {
		return control.Login{}, fmt.Errorf("ldap_login %q: url, base_dn and user are required", l.Name)
	}
	return control.Login{Name: l.Name, StartTLS: l.StartTLS, URL: l.URL, BaseDN: l.BaseDN, User: l.User, Password: l.Password}, nil
}

// readLogins reads all entries.
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

// unmarshalLDAPLogin reads
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
