package gateway

// ValidateIdentity checks the name of a user that jobs run as (proxyUser).
func ValidateIdentity(field, name string) error {
	if !userRegexp.MatchString(name) {
		return Invalid(field, name, "must be a user name of letters, digits and _.@-, beginning with a letter or underscore, at most 128")
	}
	return nil
}

// ValidateQueue checks the form of a queue's name; whether the operator offers
// that queue is Catalog.Queues.
func ValidateQueue(field, name string) error {
	if !queueRegexp.MatchString(name) {
		return Invalid(field, name, "must be letters, digits, dots, hyphens and underscores, at most 128")
	}
	return nil
}
