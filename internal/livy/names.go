package livy

import (
	"fmt"
	"net/url"
	"strings"
	"unicode"
	"unicode/utf8"
)

// maxName bounds the name of a session or batch, in characters.
const maxName = 255

// nameMarks are the characters besides letters and digits that a name may have. Livy
// prints names unescaped.
const nameMarks = " ._-:,()[]+@/#&=!~*"

// BadName returns why a name cannot be a session's or batch's, "" if it can. Livy checks
// names only after it has started a driver. What is a name here also is one in a path.
func BadName(name string) string {
	n := utf8.RuneCountInString(name)
	switch {
	case name == "":
		return "must not be empty"
	case n > maxName:
		return fmt.Sprintf("must be at most %d characters, and has %d", maxName, n)
	case name[0] == '-':
		return "must not begin with -"
	case strings.TrimSpace(name) != name:
		return "must not begin or end with a blank"
	case hasDotSegment(name):
		return "must not have . or .. between slashes"
	}
	var letters, digits, marks bool
	for _, c := range name {
		switch {
		case unicode.IsDigit(c):
			digits = true
		case unicode.IsLetter(c) || unicode.IsMark(c):
			letters = true
		case strings.ContainsRune(nameMarks, c):
			marks = true
		default:
			return fmt.Sprintf("must be letters, digits, blanks and any of %s, and has %q", strings.TrimSpace(nameMarks), c)
		}
	}
	switch {
	case letters || digits && marks:
		return ""
	case digits:
		return "must not be digits alone: that is an id"
	}
	return "must have a letter or digit in it"
}

// hasDotSegment reports whether a name reads like a path that leads elsewhere.
func hasDotSegment(name string) bool {
	for segment := range strings.SplitSeq(name, "/") {
		if segment == "." || segment == ".." {
			return true
		}
	}
	return false
}

// nameIn reads a name as it stands in a path, with percent escapes.
func nameIn(segment string) (string, bool) {
	name, err := url.PathUnescape(segment)
	return name, err == nil && utf8.ValidString(name) && BadName(name) == ""
}

// isNameByte reports whether a byte may stand for part of a name in a path: as itself,
// or as part of an escape.
func isNameByte(c byte) bool {
	return c >= utf8.RuneSelf || c == '%' || strings.IndexByte(":,()[]+@&=!*", c) >= 0
}
