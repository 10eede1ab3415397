package tokens

import (
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
)

// Reason says, for machines, why a token was not accepted. Reasons are part of
// the API.
type Reason string

// The reasons. Those of KindUnauthorized are answered with 401, the others as
// their kind says.
const (
	ReasonMissing   Reason = "missing"   // 401: the request shows no token
	ReasonMalformed Reason = "malformed" // 401: not the form of a token, or its checksum is wrong
	ReasonUnknown   Reason = "unknown"   // 401: no token has this secret
	ReasonExpired   Reason = "expired"   // 401
	ReasonRevoked   Reason = "revoked"   // 401: revoked, or replaced by a reset
	ReasonDisabled  Reason = "disabled"  // 401

	ReasonAmbiguous   Reason = "ambiguous"         // 400: two different tokens in one request
	ReasonGateway     Reason = "wrong_gateway"     // 403: a token of another gateway
	ReasonAddress     Reason = "address"           // 403: not from this address
	ReasonScope       Reason = "scope"             // 403: not this route
	ReasonRate        Reason = "rate_limited"      // 429: more requests a second than the token may make
	ReasonFailures    Reason = "too_many_failures" // 429: too many wrong tokens from this address
	ReasonUnavailable Reason = "redis_unavailable" // 503: the token cannot be checked at present
)

// Error says why a token was not accepted. It never holds the secret.
type Error struct {
	Reason Reason
	Kind   gateway.Kind
	// TokenID is the token in question, if one was recognised.
	TokenID string
	// Message is for people.
	Message string
	// RetryAfter is when trying again makes sense; 0 where it does not.
	RetryAfter time.Duration
	// Err is the cause, if any. It is for logs, not for clients.
	Err error
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// As lets gateway.KindOf see the kind.
func (e *Error) As(target any) bool {
	t, ok := target.(**gateway.Error)
	if ok {
		*t = &gateway.Error{Kind: e.Kind, Rule: e.Message, Err: e.Err}
	}
	return ok
}

func refused(reason Reason, id, message string) *Error {
	return &Error{Reason: reason, Kind: gateway.KindUnauthorized, TokenID: id, Message: message}
}

func errMissing() *Error {
	return refused(ReasonMissing, "", "no token: send one in the header x-acs-spark-livy-token")
}

func errMalformed() *Error {
	return refused(ReasonMalformed, "", "this is not a token: it is too short or too long, mistyped or cut")
}

func errUnknown() *Error {
	return refused(ReasonUnknown, "", "no such token")
}

func errUnavailable(cause error) *Error {
	return &Error{
		Reason: ReasonUnavailable, Kind: gateway.KindUnavailable,
		Message:    "the token cannot be checked at present; try again",
		RetryAfter: retryUnavailable, Err: cause,
	}
}

// retryUnavailable is when a client is asked to try again after Redis was away.
const retryUnavailable = 2 * time.Second
