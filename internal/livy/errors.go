package livy

import "net/http"

// Error is why a request line is not let through. Message is fit for clients.
type Error struct {
	// Status is 400, 404 or 405.
	Status int
	// Message says what is wrong, without repeating the request.
	Message string
	// Allow is the value of the Allow header, for status 405.
	Allow string
}

// Error returns the message.
func (e *Error) Error() string { return e.Message }

// The refusals of Match. They are values so that refusing costs nothing.
var (
	errNoRoute   = &Error{Status: http.StatusNotFound, Message: "no such path in Livy's REST API"}
	errNoSession = &Error{Status: http.StatusNotFound, Message: "no session or batch can have this id"}
	errPath      = &Error{Status: http.StatusBadRequest, Message: "the path must be plain: letters, digits and -._~ between single slashes, no dot segments, no encoded or special characters but in the name of a session or batch"}
	errDoubled   = &Error{Status: http.StatusBadRequest, Message: "the path must be plain: it begins with two slashes; most likely the address of the gateway that the client was given ends in a slash, which has to go"}
	errQuery     = &Error{Status: http.StatusBadRequest, Message: "from and size must be whole numbers of 32 bits, each given once"}
)
