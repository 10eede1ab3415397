package resolved

import (
	"strings"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/policies"
	"github.com/livygateway/livygateway/upstream"
)

// Settings are what the operator's configuration says about all gateways. They are
// not changed once gateways have been resolved with them.
type Settings struct {
	Catalog gateway.Catalog
	policies.Guards
	// Logins are what the gateway itself logs in with at Livy servers that want it.
	Logins []Login
	// History is the Spark history server of what has finished; nil if there is none.
	History *gateway.HistoryServer
}

// Keys of livy.conf that are about logins.
const (
	AuthTypeKey = "livy.server.auth.type"
	LDAPURLKey  = "livy.server.auth.ldap.url"
	ldapBaseKey = "livy.server.auth.ldap.base-dn"
	startTLSKey = "livy.server.auth.ldap.enable-start-tls"
)

// Login is a user of an LDAP directory as which the gateway itself asks Livy
// servers that want logins: it reads their lists and closes sessions.
type Login struct {
	Name string
	// URL and BaseDN are those of livy.conf. Livy passes passwords on to whatever
	// directory livy.conf names, and people write that: a login is shown only to
	// Livy servers that ask this very directory.
	URL, BaseDN string
	// StartTLS says that the login is only for Livy servers that ask with StartTLS.
	StartTLS       bool
	User, Password string
}

// String leaves the password out, whoever prints it.
func (l Login) String() string { return "login " + l.Name }

// GoString is String.
func (l Login) GoString() string { return l.String() }

// login finds what the gateway itself logs in with at a Livy server with this
// livy.conf; needed reports whether the server wants logins at all.
func (s *Settings) login(livyConf []upstream.Entry) (l Login, needed bool) {
	switch upstream.Lookup(livyConf, AuthTypeKey) {
	case "":
		return Login{}, false
	case "ldap":
		url, base := words(upstream.Lookup(livyConf, LDAPURLKey)), upstream.Lookup(livyConf, ldapBaseKey)
		for _, l := range s.Logins {
			if words(l.URL) == url && l.BaseDN == base && (!l.StartTLS || upstream.Lookup(livyConf, startTLSKey) == "true") {
				return l, true
			}
		}
	}
	return Login{}, true
}

// words takes superfluous blanks out of a list of URLs.
func words(text string) string { return strings.Join(strings.Fields(text), " ") }
