package gateway

import (
	"errors"
	"fmt"
)

// Kind classifies an error. The data path, the management API and the CLI each map kinds to
// status codes in one place.
type Kind int

// The kinds of failure. An error without a kind is KindInternal.
const (
	KindInternal     Kind = iota // a bug or an unexpected fault
	KindInvalid                  // the caller's input breaks a rule
	KindUnauthorized             // the caller is not authenticated
	KindForbidden                // the caller is authenticated but may not do this
	KindNotFound                 // the requested object does not exist
	KindConflict                 // it already exists, or is in a state that does not allow this
	KindUnavailable              // a dependency is unavailable; retrying later can help
	KindLimited                  // too many requests or objects
	KindTooLarge                 // the input is larger than the operator allows
	KindStale                    // it does not have the revision that the caller requires
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

// Error is an error with a kind. For invalid input it also has the field, the value and the
// rule that it breaks.
type Error struct {
	Kind  Kind
	Field string // the invalid input, e.g. "name"; may be empty
	Value string // the given value; may be empty; never a secret
	Rule  string // the rule that the value breaks; without a field, what went wrong
	Err   error  // the cause, if any

	// Expected reports that nothing is broken although something is unavailable, e.g.
	// because a gateway is stopped.
	Expected bool

	hidden bool // Value is left out, not empty
}

// Error returns a sentence with field, value and rule.
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

// Breach returns the field, the value and the rule of the first *Error in err's chain that has a
// field. Without one, all are empty: the error breaks no rule of a field.
func Breach(err error) (field, value, rule string) {
	for {
		e, ok := errors.AsType[*Error](err)
		switch {
		case !ok:
			return "", "", ""
		case e.Field != "":
			return e.Field, e.Value, e.Rule
		}
		err = e.Err
	}
}

// Invalid returns an error for a field whose value breaks a rule.
func Invalid(field, value, rule string) *Error {
	return &Error{Kind: KindInvalid, Field: field, Value: value, Rule: rule}
}

// InvalidLine returns an error for a line of a file. It does not show the line: the file may
// be the wrong one and contain secrets.
func InvalidLine(position, rule string) *Error {
	return &Error{Kind: KindInvalid, Field: position, Rule: rule, hidden: true}
}

// Errorf returns an error of the given kind. It does not wrap errors (see Wrap).
func Errorf(kind Kind, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Kind: kind, Rule: err.Error()}
}

// NotNow returns an error of KindUnavailable that is no fault, e.g. because a gateway is
// stopped.
func NotNow(format string, args ...any) *Error {
	err := Errorf(KindUnavailable, format, args...)
	err.Expected = true
	return err
}

// Wrap returns err with a kind and a description of the failed operation.
func Wrap(kind Kind, doing string, err error) *Error {
	return &Error{Kind: kind, Rule: doing, Err: err}
}

// KindOf returns the kind of the first *Error in err's chain, or KindInternal if there is
// none.
func KindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return KindInternal
}
