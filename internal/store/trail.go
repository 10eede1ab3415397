package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/livygateway/livygateway/internal/gateway"
)

// The trail is the audit of this installation: an append-only stream with an entry
// for every change and for refused requests. A change of a gateway or a token and
// its entry are written by one script, the entry first: there is no change without
// its entry, and where the entry cannot be written nothing is changed.

// Outcomes of what an Entry tells of.
const (
	OutcomeDone    = "done"
	OutcomeRefused = "refused"
)

// Entry is one line of the audit.
type Entry struct {
	// ID orders the entries: the time in milliseconds by Redis' clock, a dash, and a
	// number among those of that millisecond.
	ID   string    `json:"id"`
	Time time.Time `json:"time"`
	// Actor is who did it: a person as the surface knew them, a token's id, or
	// "gateway" for what happened without anybody asking.
	Actor string `json:"actor"`
	// Address is where the request came from, Surface what took it: "admin", "site"
	// or "livy".
	Address string `json:"address,omitempty"`
	Surface string `json:"surface,omitempty"`
	// Action is what was done or tried, e.g. "gateway.update".
	Action string `json:"action"`
	// Outcome is "done" or "refused".
	Outcome string `json:"outcome"`
	// GatewayID and Gateway ("workspace/name") say which gateway it is about.
	GatewayID string `json:"gatewayId,omitempty"`
	Gateway   string `json:"gateway,omitempty"`
	// Target is the id of the token or record that it is about.
	Target string `json:"target,omitempty"`
	// Detail says more in words, e.g. why a gateway was stopped.
	Detail string `json:"detail,omitempty"`
	// Count is how many equal refusals an entry stands for; absent means one.
	Count int64 `json:"count,omitempty"`
	// Before and After are the fields that the change touched. What looks like a
	// secret is masked.
	Before map[string]any `json:"before,omitempty"`
	After  map[string]any `json:"after,omitempty"`
}

type entryKey struct{}

// WithEntry says what the next change in this context is, for the audit. Who asked
// is taken from the context's gateway.Origin where the entry does not say it.
func WithEntry(ctx context.Context, e Entry) context.Context {
	return context.WithValue(ctx, entryKey{}, e)
}

// entryOf is the entry of a change as the stream holds it: the context's, or one
// that says no more than what the store knows, so that no change is without one.
func entryOf(ctx context.Context, fallback Entry) (string, error) {
	e, ok := ctx.Value(entryKey{}).(Entry)
	if !ok {
		e = fallback
	}
	return encodeEntry(ctx, e)
}

func encodeEntry(ctx context.Context, e Entry) (string, error) {
	o := gateway.OriginOf(ctx)
	if e.Actor == "" {
		e.Actor = o.Actor
	}
	if e.Actor == "" {
		e.Actor = gateway.SystemActor
	}
	if e.Address == "" && e.Actor != gateway.SystemActor {
		e.Address, e.Surface = o.Address, o.Surface
	}
	if e.Outcome == "" {
		e.Outcome = OutcomeDone
	}
	doc, err := json.Marshal(&e)
	if err != nil {
		return "", fmt.Errorf("encoding an entry of the audit: %w", err)
	}
	return string(doc), nil
}

func (s *Store) trail() string { return s.key("trail") }

// AddEntry writes an entry for what no script of the store changes.
func (s *Store) AddEntry(ctx context.Context, e Entry) error {
	doc, err := encodeEntry(ctx, e)
	if err != nil {
		return err
	}
	return wrap("writing to the audit", s.rdb.XAdd(ctx, &redis.XAddArgs{Stream: s.trail(), Values: []string{"e", doc}}).Err())
}

// TrimTrail removes what is older than life.
func (s *Store) TrimTrail(ctx context.Context, now time.Time, life time.Duration) error {
	oldest := strconv.FormatInt(now.Add(-life).UnixMilli(), 10)
	return wrap("trimming the audit", s.rdb.XTrimMinID(ctx, s.trail(), oldest).Err())
}

// TrailFilter chooses entries; what is empty chooses all.
type TrailFilter struct {
	// Gateway is an id, a name, or workspace/name. GatewayID is the id that belongs
	// to the name, where it is known: of tokens the audit has no names.
	Gateway, GatewayID string
	Actor              string
	// Action is an action, or its beginning up to a dot: "token" is all of tokens.
	Action string
	// Outcome is done or refused.
	Outcome string
	// Target is the id of a token or record.
	Target string
	// From and Until bound the time; From is included, Until is not.
	From, Until time.Time
	// Before is the ID of an entry: only older ones are chosen.
	Before string
}

func (f *TrailFilter) takes(e *Entry) bool {
	known := f.GatewayID != "" && f.GatewayID == e.GatewayID
	if f.Gateway != "" && !known && f.Gateway != e.GatewayID && f.Gateway != e.Gateway {
		if _, name, _ := strings.Cut(e.Gateway, "/"); name != f.Gateway {
			return false
		}
	}
	return (f.Actor == "" || f.Actor == e.Actor) &&
		(f.Action == "" || f.Action == e.Action || strings.HasPrefix(e.Action, f.Action+".")) &&
		(f.Outcome == "" || f.Outcome == e.Outcome) &&
		(f.Target == "" || f.Target == e.Target)
}

// What one call reads at most, and in one go.
const (
	trailScan  = 20_000
	trailChunk = 500
)

// Trail reads up to limit entries that the filter chooses, newest first. next is
// what Before must be to go on from there; empty at the end. A call reads no more
// than 20,000 entries, so with a filter that chooses few a page may hold less than
// limit, even nothing, and still have a next one.
func (s *Store) Trail(ctx context.Context, f TrailFilter, limit int) (page []*Entry, next string, err error) {
	from, until := "-", "+"
	if !f.From.IsZero() {
		from = strconv.FormatInt(max(0, f.From.UnixMilli()), 10)
	}
	if !f.Until.IsZero() {
		until = strconv.FormatInt(max(0, f.Until.UnixMilli()-1), 10)
	}
	if f.Before != "" && (f.Until.IsZero() || olderID(f.Before, until)) {
		until = "(" + f.Before
	}
	page = []*Entry{}
	for scanned := 0; scanned < trailScan; {
		got, err := s.rdb.XRevRangeN(ctx, s.trail(), until, from, trailChunk).Result()
		if err != nil {
			return nil, "", wrap("reading the audit", err)
		}
		for _, m := range got {
			e, err := decodeEntry(m)
			if err != nil {
				return nil, "", err
			}
			if !f.takes(e) {
				continue
			}
			if len(page) == limit { // there is one more
				return page, page[limit-1].ID, nil
			}
			page = append(page, e)
		}
		if len(got) < trailChunk {
			return page, "", nil
		}
		scanned += len(got)
		next = got[len(got)-1].ID
		until = "(" + next
	}
	return page, next, nil
}

// ValidEntryID says whether text has the form of an Entry's ID.
func ValidEntryID(text string) bool {
	ms, n, ok := strings.Cut(text, "-")
	_, err1 := strconv.ParseUint(ms, 10, 63)
	_, err2 := strconv.ParseUint(n, 10, 63)
	return ok && err1 == nil && err2 == nil
}

// olderID says whether the entry id is from before the millisecond ms.
func olderID(id, ms string) bool {
	a, _, _ := strings.Cut(id, "-")
	x, _ := strconv.ParseInt(a, 10, 64)
	y, _ := strconv.ParseInt(ms, 10, 64)
	return x <= y
}

func decodeEntry(m redis.XMessage) (*Entry, error) {
	text, _ := m.Values["e"].(string)
	e := new(Entry)
	if err := json.Unmarshal([]byte(text), e); err != nil {
		return nil, fmt.Errorf("decoding entry %s of the audit: %w", m.ID, err)
	}
	ms, _, _ := strings.Cut(m.ID, "-")
	n, _ := strconv.ParseInt(ms, 10, 64)
	e.ID, e.Time = m.ID, time.UnixMilli(n).UTC()
	return e, nil
}
