package resolved

import (
	"strings"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/policies"
	"github.com/livygateway/livygateway/upstream"
)

// Settings holds the operator's settings for all gateways. They must not change once gateways
// have been resolved with them.
type Settings struct {
	Catalog gateway.Catalog
	policies.Guards
	// Logins are the gateway's own logins for Livy servers that require one.
	Logins []Login
	// History is the Spark history server; nil if there is none.
	History *gateway.HistoryServer
}

// Keys of livy.conf for logins.
const (
	AuthTypeKey = "livy.server.auth.type"
	LDAPURLKey  = "livy.server.auth.ldap.url"
	ldapBaseKey = "livy.server.auth.ldap.base-dn"
	startTLSKey = "livy.server.auth.ldap.enable-start-tls"
)

// Login is an LDAP user with which the gateway itself logs in at Livy servers that require
// it, to read their lists and to close sessions.
type Login struct {
	Name string
	// URL and BaseDN must match those in livy.conf. Livy sends passwords to whatever
	// directory livy.conf names, which users can edit: the login is used only for Livy
	// servers that use this very directory.
	URL, BaseDN string
	// StartTLS restricts the login to Livy servers that use StartTLS.
	StartTLS       bool
	User, Password string
}

// String returns a description without the password.
func (l Login) String() string { return "login " + l.Name }

// GoString returns the same as String.
func (l Login) GoString() string { return l.String() }

// login returns the gateway's own login for a Livy server with this livy.conf; needed reports
// whether the server requires logins at all.
func (s *Settings) login(livyConf []upstream.Entry) (l Login, needed bool) {
	switch upstream.Lookup(livyConf, AuthTypeKey) {
	case "":
		return Login{}, false
	case "ldap":
		url, base := words(upstream.Lookup(livyConf, LDAPURLKey)), upstream.Lookup(livyConf, ldapBaseKey)
		for _, l := range s.Logins {
			if words(l.URL) == url && l.BaseDN == base && (!l.StartTLS ||
				upstream.Lookup(livyConf, startTLSKey) == "true") {
				return l, true
			}
		}
	}
	return Login{}, true
}

// words normalizes the spaces in a list of URLs.
func words(text string) string { return strings.Join(strings.Fields(text), " ") }
