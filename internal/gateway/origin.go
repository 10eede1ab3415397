package gateway

import (
	"context"
	"strconv"
)

// Origin is who asked for something and from where, as the surface that took the
// request knows it. It travels in the context, so that whatever is changed on the
// way is written down with it.
type Origin struct {
	// Actor is a person's name or a token's id. Empty: nobody asked, the gateway
	// did it by itself.
	Actor string
	// Address is where the request came from: an IP address, or empty.
	Address string
	// Surface is what took the request: "admin" (Caddy's admin endpoint, where the
	// command line asks), "site" (the API on a site), "livy" (a Livy client).
	Surface string
}

type originKey struct{}

// WithOrigin notes in a context who asked.
func WithOrigin(ctx context.Context, o Origin) context.Context {
	return context.WithValue(ctx, originKey{}, o)
}

// OriginOf is who asked; the zero Origin if nobody did.
func OriginOf(ctx context.Context) Origin {
	o, _ := ctx.Value(originKey{}).(Origin)
	return o
}

// condition is a change's demand on the revision of what it changes.
type condition struct {
	id       string
	revision int64
}

type conditionKey struct{}

// OnlyIf makes changes in this context fail with KindStale unless the gateway or
// token with this id is at this revision when the change is made.
func OnlyIf(ctx context.Context, id string, revision int64) context.Context {
	return context.WithValue(ctx, conditionKey{}, condition{id, revision})
}

// WantedRevision is the revision that OnlyIf demands of the gateway or token.
func WantedRevision(ctx context.Context, id string) (revision int64, ok bool) {
	c, ok := ctx.Value(conditionKey{}).(condition)
	return c.revision, ok && c.id == id
}

// CheckRevision refuses a change that OnlyIf forbids.
func CheckRevision(ctx context.Context, id string, revision int64) error {
	if wanted, ok := WantedRevision(ctx, id); ok && wanted != revision {
		return Stale(id, wanted)
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
