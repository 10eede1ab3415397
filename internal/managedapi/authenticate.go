package managedapi

import (
	"net/http"
	"strings"

	"github.com/livygateway/livygateway/internal/access"
	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/tokens"
)

// Headers of the SDKs' bearer credential.
const (
	headerSignatureType = "X-Acs-Signature-Type"
	headerBearer        = "X-Acs-Bearer-Token"
	bearerType          = "BEARERTOKEN"
)

// authenticate returns who makes the request.
func (c *call) authenticate() (who caller, err error) {
	header := c.r.Header["Authorization"]
	bearer := c.r.Header[headerBearer]
	switch {
	case len(header) > 1 || len(bearer) > 1 || len(header) > 0 && len(bearer) > 0:
		return who, refusef(http.StatusBadRequest, codeIncomplete, "the request has more than one credential")
	case c.r.Header.Get("X-Acs-Security-Token") != "":
		return who, refusef(http.StatusBadRequest, "InvalidSecurityToken", "x-acs-security-token: temporary credentials are not supported; use an access key")
	case len(bearer) > 0:
		return c.bearer(bearer[0])
	case oldSignature(c.r):
		return who, refusef(http.StatusBadRequest, "UnsupportedSignatureMethod",
			"the signature HMAC-SHA1 is not accepted, because such requests can be replayed: use an SDK that signs with %s", algorithm)
	case len(header) == 0:
		return who, refusef(http.StatusUnauthorized, "MissingAuthorization", "the request is not signed: sign it with an access key of this gateway (%s)", algorithm)
	}
	return c.signed(header[0])
}

// oldSignature reports whether a request has a signature of an older form: in Authorization as
// "acs ID:SIGNATURE", or in the query.
func oldSignature(r *http.Request) bool {
	query := r.URL.Query()
	return strings.HasPrefix(strings.ToLower(r.Header.Get("Authorization")), "acs ") ||
		strings.EqualFold(r.Header.Get("X-Acs-Signature-Method"), "HMAC-SHA1") ||
		query.Has("Signature") || strings.EqualFold(query.Get("SignatureMethod"), "HMAC-SHA1")
}

// bearer returns the caller with a token whose scope is admin, who may manage the token's
// gateway.
func (c *call) bearer(text string) (who caller, err error) {
	if kind := c.r.Header.Get(headerSignatureType); kind != bearerType {
		return who, refusef(http.StatusBadRequest, codeIncomplete, "x-acs-signature-type: must be %s with %s (got %q)", bearerType, strings.ToLower(headerBearer), kind)
	}
	token, err := c.Tokens.VerifyAdmin(c.r.Context(), text,
		tokens.Attempt{Method: http.MethodPost, RemoteAddr: c.arrived.Address, UserAgent: c.r.UserAgent()})
	if err != nil {
		return who, err
	}
	g := c.Manager.Known(token.GatewayID)
	if g == nil {
		return who, refusef(http.StatusNotFound, "EntityNotExist", "the gateway of this token does not exist")
	}
	policy, err := access.New([]access.Grant{{Workspace: g.Workspace, Role: access.Admin, Users: []string{token.ID}}})
	if err != nil {
		return who, err
	}
	rights := policy.Of(access.Principal{User: token.ID})
	return caller{id: token.ID, only: g.ID, Caller: api.Caller{
		Rights: &rights, Origin: gateway.Origin{Actor: token.ID, Address: c.arrived.Address, Surface: Surface},
	}}, nil
}
