package gateway

import "strconv"

// Origin identifies who made a request and from where, as determined by the endpoint that
// received it.
type Origin struct {
	// Actor is a person's name or a token's id. Empty means that the gateway acted by
	// itself.
	Actor string
	// Address is where the request came from: an IP address, or empty.
	Address string
	// Surface is the endpoint that received the request: "admin" (Caddy's admin
	// endpoint, which the command line uses), "site" (the API on a site), "managed" (the
	// API of the managed product), "livy" (a Livy client).
	Surface string
	// AccessKey is the id of the access key that signed the request, if one did.
	AccessKey string
}

// Order identifies who requested a change of a gateway or token, and on what condition.
type Order struct {
	Origin
	// IfRevision is the revision that the gateway or token must have for the change
	// to be made; 0 means any. Otherwise the change fails with KindStale.
	IfRevision int64
}

// By returns an unconditional order of an actor.
func By(actor string) Order { return Order{Origin: Origin{Actor: actor}} }

// Check fails with KindStale if the order requires another revision of the gateway or token
// id than the given one.
func (o Order) Check(id string, revision int64) error {
	if o.IfRevision != 0 && o.IfRevision != revision {
		return Stale(id, o.IfRevision)
	}
	return nil
}

// Stale returns the error for a change of an object that does not have the revision that the
// caller requires.
func Stale(id string, wanted int64) error {
	return &Error{
		Kind: KindStale, Field: "If-Match", Value: strconv.FormatInt(wanted, 10),
		Rule: "is not the current revision of " + id + ": read it again",
	}
}
