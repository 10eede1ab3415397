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

// The audit log is an append-only stream with an entry for every change and for
// refused requests. One script writes a change of a gateway or token together with
// its entry, the entry first: there is no change without an entry, and if the entry
// cannot be written, nothing is changed.

// Outcomes of an AuditEntry.
const (
	OutcomeDone    = "done"
	OutcomeRefused = "refused"
)

// AuditEntry is one entry of the audit log.
type AuditEntry struct {
	// ID orders the entries: the time in milliseconds of Redis's clock, a dash, and
	// a sequence number within that millisecond.
	ID   string    `json:"id"`
	Time time.Time `json:"time"`
	// Actor is who did it: the name of an authenticated person, a token's id, or
	// "gateway" for what the gateway did by itself.
	Actor string `json:"actor"`
	// Address is where the request came from. Surface is the endpoint that received
	// it: "admin", "site", "managed" or "livy". AccessKey is the id of the access key that
	// signed the request, if one did.
	Address   string `json:"address,omitempty"`
	Surface   string `json:"surface,omitempty"`
	AccessKey string `json:"accessKey,omitempty"`
	// Action is what was done or attempted, e.g. "gateway.update".
	Action string `json:"action"`
	// Outcome is "done" or "refused".
	Outcome string `json:"outcome"`
	// GatewayID and Gateway ("workspace/name") identify the gateway concerned.
	GatewayID string `json:"gatewayId,omitempty"`
	Gateway   string `json:"gateway,omitempty"`
	// Target is the id of the token or record concerned.
	Target string `json:"target,omitempty"`
	// Detail is a free-text explanation, e.g. why a gateway was stopped.
	Detail string `json:"detail,omitempty"`
	// Count is how many identical refusals the entry stands for; absent means one.
	Count int64 `json:"count,omitempty"`
	// Before and After hold the fields that changed. Values that look like secrets
	// are masked.
	Before map[string]any `json:"before,omitempty"`
	After  map[string]any `json:"after,omitempty"`
}

// By returns the entry with the origin filled in, unless it already has an actor.
func (e AuditEntry) By(o gateway.Origin) AuditEntry {
	if e.Actor == "" {
		e.Actor = o.Actor
	}
	if e.Actor == "" {
		e.Actor = gateway.SystemActor
	}
	if e.Address == "" && e.Actor != gateway.SystemActor {
		e.Address, e.Surface, e.AccessKey = o.Address, o.Surface, o.AccessKey
	}
	return e
}

// encode returns the entry as stored in the stream.
func (e AuditEntry) encode() (string, error) {
	if e.Actor == "" {
		e.Actor = gateway.SystemActor
	}
	if e.Outcome == "" {
		e.Outcome = OutcomeDone
	}
	doc, err := json.Marshal(&e)
	if err != nil {
		return "", fmt.Errorf("encoding an audit entry: %w", err)
	}
	return string(doc), nil
}

// entry returns the encoded audit entry of a write. It is fallback if the write has none, so
// that every change has an entry.
func (w Write) entry(fallback AuditEntry) (string, error) {
	if w.Audit != nil {
		fallback = *w.Audit
	}
	return fallback.By(w.Origin).encode()
}

func (s *Store) auditKey() string { return s.key("audit") }

// KEYS: audit. ARGV: the entry
var appendAudit = newScript(`return redis.call('XADD', KEYS[1], '*', 'e', ARGV[1])`)

// AppendAudit writes an entry for an event that no script of the store records.
func (s *Store) AppendAudit(ctx context.Context, e AuditEntry) error {
	doc, err := e.encode()
	if err != nil {
		return err
	}
	_, err = s.run(ctx, "writing to the audit log", appendAudit, []string{s.auditKey()}, doc)
	return err
}

// TrimAudit removes entries older than life.
func (s *Store) TrimAudit(ctx context.Context, now time.Time, life time.Duration) error {
	oldest := strconv.FormatInt(max(0, now.Add(-life).UnixMilli()), 10)
	return wrap("trimming the audit log", s.rdb.XTrimMinID(ctx, s.auditKey(), oldest).Err())
}

// AuditFilter selects audit entries. Empty fields match everything.
type AuditFilter struct {
	// Gateway is an id, a name, or workspace/name. GatewayID is the id that belongs
	// to the name, if known: entries about tokens have no gateway name.
	Gateway, GatewayID string
	Actor              string
	// Action is an action or a prefix that ends before a dot: "token" matches
	// "token.create".
	Action string
	// Outcome is OutcomeDone or OutcomeRefused.
	Outcome string
	// Target is the id of a token or record.
	Target string
	// From and Until bound the time: From <= time < Until.
	From, Until time.Time
	// Before is the ID of an entry; only older entries match.
	Before string
	// Visible reports whether an entry may be shown; nil shows all.
	Visible func(*AuditEntry) bool
}

func (f *AuditFilter) matches(e *AuditEntry) bool {
	known := f.GatewayID != "" && f.GatewayID == e.GatewayID
	if f.Gateway != "" && !known && f.Gateway != e.GatewayID && f.Gateway != e.Gateway {
		if _, name, _ := strings.Cut(e.Gateway, "/"); name != f.Gateway {
			return false
		}
	}
	return (f.Actor == "" || f.Actor == e.Actor) &&
		(f.Action == "" || f.Action == e.Action || strings.HasPrefix(e.Action, f.Action+".")) &&
		(f.Outcome == "" || f.Outcome == e.Outcome) &&
		(f.Target == "" || f.Target == e.Target) &&
		(f.Visible == nil || f.Visible(e))
}

// Bounds of one ReadAudit call: entries scanned in all, and per round trip.
const (
	auditScan  = 20_000
	auditChunk = 500
)

// ReadAudit reads up to limit entries that match the filter, newest first. next is
// the value of Before for the following page; it is empty on the last page. A call
// scans at most 20,000 entries: with a selective filter, a page may hold fewer than
// limit entries, or none, and still not be the last one.
func (s *Store) ReadAudit(
	ctx context.Context, f AuditFilter, limit int,
) (page []*AuditEntry, next string, err error) {
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
	page = []*AuditEntry{}
	for scanned := 0; scanned < auditScan; {
		got, err := s.rdb.XRevRangeN(ctx, s.auditKey(), until, from, auditChunk).Result()
		if err != nil {
			return nil, "", wrap("reading the audit log", err)
		}
		for _, m := range got {
			e, err := decodeEntry(m)
			if err != nil {
				return nil, "", err
			}
			if !f.matches(e) {
				continue
			}
			if len(page) == limit { // there is one more
				return page, page[limit-1].ID, nil
			}
			page = append(page, e)
		}
		if len(got) < auditChunk {
			return page, "", nil
		}
		scanned += len(got)
		next = got[len(got)-1].ID
		until = "(" + next
	}
	return page, next, nil
}

// refusedField is how the outcome of a refused request is stored.
const refusedField = `"outcome":"` + OutcomeRefused + `"`

// EachRefusal calls f for the entries after the id after, or else since from, oldest first:
// with the id alone for one that is no refusal.
func (s *Store) EachRefusal(ctx context.Context, after string, from time.Time, f func(id string, e *AuditEntry)) error {
	start := strconv.FormatInt(max(0, from.UnixMilli()), 10)
	for {
		if after != "" {
			start = "(" + after
		}
		got, err := s.rdb.XRangeN(ctx, s.auditKey(), start, "+", auditChunk).Result()
		if err != nil {
			return wrap("reading the audit log", err)
		}
		for _, m := range got {
			after = m.ID
			if text, _ := m.Values["e"].(string); !strings.Contains(text, refusedField) {
				f(m.ID, nil)
				continue
			}
			e, err := decodeEntry(m)
			if err != nil {
				return err
			}
			f(m.ID, e)
		}
		if len(got) < auditChunk {
			return nil
		}
	}
}

// ValidAuditID reports whether text has the form of an AuditEntry's ID.
func ValidAuditID(text string) bool {
	ms, n, ok := strings.Cut(text, "-")
	_, err1 := strconv.ParseUint(ms, 10, 63)
	_, err2 := strconv.ParseUint(n, 10, 63)
	return ok && err1 == nil && err2 == nil
}

// olderID reports whether the entry id is from the millisecond ms or before.
func olderID(id, ms string) bool {
	a, _, _ := strings.Cut(id, "-")
	x, _ := strconv.ParseInt(a, 10, 64)
	y, _ := strconv.ParseInt(ms, 10, 64)
	return x <= y
}

func decodeEntry(m redis.XMessage) (*AuditEntry, error) {
	text, _ := m.Values["e"].(string)
	e := new(AuditEntry)
	if err := json.Unmarshal([]byte(text), e); err != nil {
		return nil, fmt.Errorf("decoding audit entry %s: %w", m.ID, err)
	}
	written := m.ID
	if at, late := m.Values[lateField].(string); late {
		written = at
	}
	ms, _, _ := strings.Cut(written, "-")
	n, _ := strconv.ParseInt(ms, 10, 64)
	e.ID, e.Time = m.ID, time.UnixMilli(n).UTC()
	return e, nil
}
