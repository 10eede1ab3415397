package gateway

import (
	"regexp"
	"strconv"
	"strings"
)

// Rules on names in the settings of gateways and tokens.

// NamePattern is the rule for gateway and workspace names.
const NamePattern = `^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`

const nameRule = "must be 1 to 63 lowercase letters, digits and hyphens, beginning and ending with a letter or digit"

var (
	nameRegexp  = regexp.MustCompile(NamePattern)
	userRegexp  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.@-]{0,127}$`)
	queueRegexp = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)
)

// ValidateName checks a gateway name.
func ValidateName(field, name string) error {
	if !nameRegexp.MatchString(name) {
		return Invalid(field, name, nameRule)
	}
	return nil
}

// ValidateIdentity checks the name of a user that jobs run as (proxyUser).
func ValidateIdentity(field, name string) error {
	if !userRegexp.MatchString(name) {
		return Invalid(field, name,
			"must be a user name of letters, digits and _.@-, beginning with a letter or underscore, at most 128")
	}
	return nil
}

// ValidateQueue checks the syntax of a queue's name; Catalog.Queues lists the allowed queues.
func ValidateQueue(field, name string) error {
	if !queueRegexp.MatchString(name) {
		return Invalid(field, name, "must be letters, digits, dots, hyphens and underscores, at most 128")
	}
	return nil
}

// Count returns a number with its noun: "1 minute", "2 batches".
func Count(n int, thing string) string {
	switch {
	case n == 1:
	case strings.HasSuffix(thing, "ch"):
		thing += "es"
	default:
		thing += "s"
	}
	return strconv.Itoa(n) + " " + thing
}
