package tokens

import (
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
)

// Reason is the machine-readable reason why a token was not accepted. Reasons are part of the
// API.
type Reason string

// The reasons, with the HTTP status of each.
const (
	ReasonMissing   Reason = "missing"   // 401: the request has no token
	ReasonMalformed Reason = "malformed" // 401: not in the form of a token, or the checksum is wrong
	ReasonUnknown   Reason = "unknown"   // 401: no token has this secret
	ReasonExpired   Reason = "expired"   // 401
	ReasonRevoked   Reason = "revoked"   // 401: revoked, or replaced by a reset
	ReasonDisabled  Reason = "disabled"  // 401

	ReasonAmbiguous   Reason = "ambiguous"         // 400: two different tokens in one request
	ReasonGateway     Reason = "wrong_gateway"     // 403: a token of another gateway
	ReasonAddress     Reason = "address"           // 403: not allowed from this address
	ReasonScope       Reason = "scope"             // 403: not allowed on this route
	ReasonRate        Reason = "rate_limited"      // 429: the token's request rate is exceeded
	ReasonFailures    Reason = "too_many_failures" // 429: too many wrong tokens from this address
	ReasonUnavailable Reason = "redis_unavailable" // 503: the token cannot be verified at present
)

// Error is the error for a token that was not accepted. It never contains the secret.
type Error struct {
	Reason Reason
	Kind   gateway.Kind
	// TokenID is the token's id, if the token was recognized.
	TokenID string
	// Message is a human-readable description.
	Message string
	// RetryAfter is how long to wait before a retry; 0 if a retry is pointless.
	RetryAfter time.Duration
	// Err is the cause, if any. It is for logs, not for clients.
	Err error
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// As makes the kind available to gateway.KindOf.
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
	return refused(ReasonMalformed, "", "this is not a token: it is too short or too long, mistyped or truncated")
}

func errUnknown() *Error {
	return refused(ReasonUnknown, "", "no such token")
}

func errUnavailable(cause error) *Error {
	return &Error{
		Reason: ReasonUnavailable, Kind: gateway.KindUnavailable,
		Message:    "the token cannot be verified at present; retry shortly",
		RetryAfter: retryUnavailable, Err: cause,
	}
}

// retryUnavailable is the Retry-After while Redis is unreachable.
const retryUnavailable = 2 * time.Second
