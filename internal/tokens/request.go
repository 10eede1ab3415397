package tokens

import (
	"encoding/base64"
	"net/http"
	"strings"

	"github.com/livygateway/livygateway/internal/gateway"
)

// Header is the header that carries tokens, as in the managed product.
const Header = "X-Acs-Spark-Livy-Token"

// FromRequest returns the token of a request: from Header, from Authorization: Bearer, or from
// the password of Authorization: Basic. presented is empty if there is none, and basicUsed
// reports whether it came from Basic. Two different tokens are an *Error with
// ReasonAmbiguous. Tokens in a query or path are ignored, because those end up in logs.
//
// Bearer beside Header and Basic beside another token are not looked at unless they
// plainly are tokens of ours: they are what a platform's single sign-on adds to each
// request, the login for a Livy that asks for LDAP passwords, or what clients such as
// sparkmagic send when they have no login at all.
func FromRequest(h http.Header) (presented string, basicUsed bool, err error) {
	for _, v := range h[Header] {
		if presented, err = oneToken(presented, strings.TrimSpace(v)); err != nil {
			return "", false, err
		}
	}
	inHeader := presented != ""
	for _, v := range h["Authorization"] {
		scheme, rest, _ := strings.Cut(strings.TrimSpace(v), " ")
		rest = strings.TrimSpace(rest)
		switch {
		case strings.EqualFold(scheme, "Bearer"):
			if inHeader && !isOurs(rest) {
				continue // somebody else's
			}
			presented, err = oneToken(presented, rest)
		case strings.EqualFold(scheme, "Basic"):
			password := basicPassword(rest)
			if presented != "" && !isOurs(password) {
				continue // a login of another kind, e.g. sparkmagic's empty one
			}
			basicUsed = presented == "" && password != ""
			presented, err = oneToken(presented, password)
		}
		if err != nil {
			return "", false, err
		}
	}
	return presented, basicUsed, nil
}

func oneToken(have, next string) (string, error) {
	if have != "" && next != "" && have != next {
		return "", &Error{
			Reason: ReasonAmbiguous, Kind: gateway.KindInvalid,
			Message: "the request has two different tokens; send one, preferably in the header x-acs-spark-livy-token",
		}
	}
	if next == "" {
		return have, nil
	}
	return next, nil
}

// basicPassword returns the password of a Basic login, or "" if it is invalid.
func basicPassword(encoded string) string {
	login, err := base64.StdEncoding.DecodeString(encoded)
	if err != nil {
		return ""
	}
	_, password, _ := strings.Cut(string(login), ":")
	return password
}

// Strip removes the headers that FromRequest reads, and every other header that contains a
// generated secret, so that no token reaches Livy or its logs. keepBasic keeps a Basic login;
// set it only if Livy uses LDAP authentication and the token did not come from Basic.
func Strip(h http.Header, keepBasic bool) {
	delete(h, Header)
	for name, values := range h {
		for _, v := range values {
			if name != "Authorization" && MaskCredentials(v) != v {
				delete(h, name)
				break
			}
		}
	}
	var kept []string
	for _, v := range h["Authorization"] {
		scheme, rest, _ := strings.Cut(strings.TrimSpace(v), " ")
		if keepBasic && strings.EqualFold(scheme, "Basic") && !isOurs(basicPassword(strings.TrimSpace(rest))) &&
			MaskCredentials(v) == v {
			kept = append(kept, v)
		}
	}
	if len(kept) == 0 {
		delete(h, "Authorization")
		return
	}
	h["Authorization"] = kept
}
