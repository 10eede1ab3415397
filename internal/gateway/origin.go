package gateway

import "strconv"

// Origin says who asked for something and from where, as the endpoint that received
// the request knows it.
type Origin struct {
	// Actor is a person's name or a token's id. Empty means that nobody asked: the
	// gateway acted by itself.
	Actor string
	// Address is where the request came from: an IP address, or empty.
	Address string
	// Surface is the endpoint that received the request: "admin" (Caddy's admin
	// endpoint, which the command line uses), "site" (the API on a site), "livy" (a
	// Livy client).
	Surface string
}

// Order is a request to change a gateway or token: who asked, and on what condition.
type Order struct {
	Origin
	// IfRevision is the revision that the gateway or token must have for the change
	// to be made; 0 means any. Otherwise the change fails with KindStale.
	IfRevision int64
}

// By is an unconditional order of a person.
func By(actor string) Order { return Order{Origin: Origin{Actor: actor}} }

// Check fails with KindStale if the order does not apply to the gateway or token id
// at a revision.
func (o Order) Check(id string, revision int64) error {
	if o.IfRevision != 0 && o.IfRevision != revision {
		return Stale(id, o.IfRevision)
	}
	return nil
}

// Stale is the error for a change of something that is not at the revision that
// the caller demands.
func Stale(id string, wanted int64) error {
	return &Error{
		Kind: KindStale, Field: "If-Match", Value: strconv.FormatInt(wanted, 10),
		Rule: "is not the present revision of " + id + ": read it again",
	}
}
