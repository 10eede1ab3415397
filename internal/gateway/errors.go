package gateway

import (
	"errors"
	"fmt"
)

// Kind says what sort of failure an error is. Surfaces (the data path, the
// management API, the CLI) choose their status code from it in one place each.
type Kind int

// The kinds of failure. An error without a kind is KindInternal.
const (
	KindInternal     Kind = iota // a bug or an unforeseen fault
	KindInvalid                  // the caller's input breaks a rule
	KindUnauthorized             // the caller did not show who it is
	KindForbidden                // the caller is known and may not do this
	KindNotFound                 // what was asked for does not exist
	KindConflict                 // it exists already, or is in a state that forbids this
	KindUnavailable              // a part we need is away; trying again later can help
	KindLimited                  // too many requests or too many of a thing
	KindTooLarge                 // the caller's input is larger than the operator allows
	KindStale                    // it is not at the revision that the caller knows
)

// String returns the kind's name as used in API replies.
func (k Kind) String() string {
	switch k {
	case KindInvalid:
		return "invalid"
	case KindUnauthorized:
		return "unauthorized"
	case KindForbidden:
		return "forbidden"
	case KindNotFound:
		return "not_found"
	case KindConflict:
		return "conflict"
	case KindUnavailable:
		return "unavailable"
	case KindLimited:
		return "limited"
	case KindTooLarge:
		return "too_large"
	case KindStale:
		return "stale"
	default:
		return "internal"
	}
}

// Error is a failure with a kind. For bad input it also names the field, the
// value that was given and the rule that it breaks.
type Error struct {
	Kind  Kind
	Field string // name of the offending input, e.g. "name"; may be empty
	Value string // the value as given; may be empty; never a secret
	Rule  string // what would have been right, or what went wrong
	Err   error  // the cause, if any

	hidden bool // Value is left out, not empty
}

// Error returns a sentence that names field, value and rule.
func (e *Error) Error() string {
	msg := e.Rule
	if e.hidden {
		msg = e.Field + ": " + e.Rule
	} else if e.Field != "" {
		msg = fmt.Sprintf("%s: %s (got %q)", e.Field, e.Rule, e.Value)
	}
	if e.Err != nil {
		msg += ": " + e.Err.Error()
	}
	return msg
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Err }

// Invalid returns an error for a field whose value breaks a rule.
func Invalid(field, value, rule string) *Error {
	return &Error{Kind: KindInvalid, Field: field, Value: value, Rule: rule}
}

// InvalidLine returns an error for a line of a file. What stands there is not shown:
// the file may be another one than was meant, and hold secrets.
func InvalidLine(place, rule string) *Error {
	return &Error{Kind: KindInvalid, Field: place, Rule: rule, hidden: true}
}

// Errorf returns an error of the given kind. The text is final: causes are not kept for errors.Is.
func Errorf(kind Kind, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Kind: kind, Rule: err.Error()}
}

// Wrap gives err a kind and says what was being done.
func Wrap(kind Kind, doing string, err error) *Error {
	return &Error{Kind: kind, Rule: doing, Err: err}
}

// KindOf returns the kind of the first *Error in err's chain, KindInternal if
// there is none.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return KindInternal
}
