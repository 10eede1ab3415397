package livy

import "net/http"

// Error is the reason why a request line is rejected. Message may be shown to clients.
type Error struct {
	// Status is 400, 404 or 405.
	Status int
	// Message describes the error without repeating the request.
	Message string
	// Allow is the value of the Allow header, for status 405.
	Allow string
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// The errors of Match. They are shared values, so that rejecting a request does not allocate.
var (
	errNoRoute   = &Error{Status: http.StatusNotFound, Message: "no such path in Livy's REST API"}
	errNoSession = &Error{Status: http.StatusNotFound, Message: "no session or batch can have this id"}
	errPath      = &Error{Status: http.StatusBadRequest, Message: "the path must be plain: letters, digits and " +
		"-._~ between single slashes, no dot segments, no encoded or special characters except in the name of a " +
		"session or batch"}
	errDoubled = &Error{Status: http.StatusBadRequest, Message: "the path must be plain: it begins with two slashes; " +
		"the gateway's address in the client probably ends in a slash, which must be removed"}
	errQuery = &Error{
		Status:  http.StatusBadRequest,
		Message: "from and size must be 32-bit integers, each given once",
	}
)
