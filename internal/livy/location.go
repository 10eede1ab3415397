package livy

import (
	"strconv"
	"strings"
)

// PublicLocation turns the Location of a reply into the public one: prefix is what the
// public path begins with, base what is added to Livy's ids. It is false for a Location
// that no client of a gateway could follow.
func PublicLocation(kind Kind, location, prefix string, base int64) (public string, ok bool) {
	collection := "/" + kind.Collection() + "/"
	rest, ok := strings.CutPrefix(location, collection)
	if !ok {
		return "", false
	}
	first, more, _ := strings.Cut(rest, "/")
	id, err := strconv.ParseInt(first, 10, 64)
	if err != nil {
		return "", false
	}
	public = prefix + collection + strconv.FormatInt(id+base, 10)
	if more != "" {
		public += "/" + more
	}
	return public, true
}
