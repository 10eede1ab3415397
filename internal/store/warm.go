package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
)

// WarmState is the state of a warm session.
type WarmState string

// The states of warm sessions. Only idle ones are handed over.
const (
	WarmStarting WarmState = "starting"
	WarmIdle     WarmState = "idle"
	WarmEnding   WarmState = "ending"
)

// Warm is a session that was started ahead and belongs to nobody yet. Its entry is written
// before the create is sent to Livy, and removed in the step that hands the session over, or
// after Livy has deleted it.
type Warm struct {
	// ID is the id of the record that it will have, and its name in Livy.
	ID        string    `json:"id"`
	GatewayID string    `json:"gatewayId"`
	Epoch     int64     `json:"epoch"`
	LivyID    int64     `json:"livyId"` // -1 until it is known
	State     WarmState `json:"state"`
	// Shape identifies what a create must ask for to get it.
	Shape   string    `json:"shape"`
	Created time.Time `json:"created"`
	// Ready is when it was first seen idle. It is replaced at Expires.
	Ready   time.Time `json:"ready,omitzero"`
	Expires time.Time `json:"expires"`
	// MilliCPU and MemoryMB are the resources that it takes.
	MilliCPU int64 `json:"milliCpu,omitempty"`
	MemoryMB int64 `json:"memoryMb,omitempty"`

	stored string
}

// idle is what a warm session used until a time, which is usage of the gateway itself.
func (w *Warm) idle(workspace string, until time.Time) *Record {
	return &Record{
		GatewayID: w.GatewayID, Workspace: workspace, MilliCPU: w.MilliCPU, MemoryMB: w.MemoryMB,
		Started: w.Ready, Ended: until, LivyID: w.LivyID,
	}
}

// idleArgs encodes what a warm session used for scripts: the sums by day, and those by account
// and period.
func (s *Store) idleArgs(idle *Record) (usage, spent string, err error) {
	text, err := json.Marshal(s.spent(idle))
	if err != nil {
		return "", "", fmt.Errorf("encoding what a warm session used: %w", err)
	}
	return idle.usage(), string(text), nil
}

// Warm returns the warm sessions of a gateway, the oldest first.
func (s *Store) Warm(ctx context.Context, gatewayID string) ([]*Warm, error) {
	got, err := s.rdb.HGetAll(ctx, s.key("warm", gatewayID)).Result()
	if err != nil {
		return nil, wrap("reading warm sessions", err)
	}
	all := make([]*Warm, 0, len(got))
	for _, doc := range got {
		w := &Warm{stored: doc}
		if err := json.Unmarshal([]byte(doc), w); err != nil {
			return nil, fmt.Errorf("reading a warm session: %w", err)
		}
		all = append(all, w)
	}
	slices.SortFunc(all, func(a, b *Warm) int {
		if c := a.Created.Compare(b.Created); c != 0 {
			return c
		}
		return strings.Compare(a.ID, b.ID)
	})
	return all, nil
}

// swapWarm changes the entry of a warm session if it is still the one that was read.
//
// KEYS: warm, usage. ARGV: id, the entry that was read ("": none), the new one ("": none), usage by
// day, usage by account and period
var swapWarm = newScript(spend + `
if (redis.call('HGET', KEYS[1], ARGV[1]) or '') ~= ARGV[2] then return 0 end
if ARGV[3] == '' then redis.call('HDEL', KEYS[1], ARGV[1]) else redis.call('HSET', KEYS[1], ARGV[1], ARGV[3]) end
for field, n in string.gmatch(ARGV[4], '([^=;]+)=([^=;]+)') do redis.call('HINCRBY', KEYS[2], field, n) end
spend(cjson.decode(ARGV[5]))
return 1
`)

func (s *Store) swap(ctx context.Context, f Fence, w *Warm, doc, usage, spent string) error {
	n, err := swapWarm.Run(ctx, s, f, []string{s.key("warm", w.GatewayID), s.key("usage", w.GatewayID)},
		w.ID, w.stored, doc, usage, spent).Int()
	switch {
	case err != nil:
		return wrap("writing a warm session", err)
	case n == 0:
		return ErrChanged
	}
	w.stored = doc
	return nil
}

// SaveWarm writes a new or changed warm session. It fails with ErrChanged if it was handed over
// or changed since it was read.
func (s *Store) SaveWarm(ctx context.Context, f Fence, w *Warm) error {
	doc, err := json.Marshal(w)
	if err != nil {
		return err
	}
	return s.swap(ctx, f, w, string(doc), "", "[]")
}

// DropWarm removes a warm session that has ended, and adds what it used to the usage of the gateway
// itself and to the sums of the gateway and its workspace. It fails with ErrChanged if it was
// handed over or changed since it was read.
func (s *Store) DropWarm(ctx context.Context, f Fence, w *Warm, workspace string, now time.Time) error {
	usage, spent, err := s.idleArgs(w.idle(workspace, now))
	if err != nil {
		return err
	}
	return s.swap(ctx, f, w, "", usage, spent)
}

// handOver makes a warm session the session of a create, in one step: the entry of the warm
// session is replaced by a record. All that beginCreate checks is checked first.
//
// KEYS: see beginCreate, and as the eleventh warm. ARGV: see beginCreate, then the entry of the
// warm session, and its usage by day, and by account and period
var handOver = newScript(putRecord + checkLimits + `
local a = {}
for j = 1, 12 do a[j] = ARGV[j] end
local id, kind, name, token = a[1], a[6], a[8], a[9]
if redis.call('HGET', KEYS[11], id) ~= ARGV[19] then return {'gone', ''} end
if ARGV[14] ~= '0' then
  local first = redis.call('GET', KEYS[10])
  if first then return {'repeated', first} end
end
local limit = tonumber(ARGV[13])
if limit > 0 and redis.call('SCARD', KEYS[3] .. ':t:' .. token .. ':' .. kind) >= limit then return {'limit', ''} end
local other = redis.call('HGET', KEYS[7], kind .. ':' .. name)
if other and redis.call('SISMEMBER', KEYS[3], other) == 1 then return {'name', other} end
if redis.call('HEXISTS', KEYS[5], kind .. ':' .. name) == 1 then return {'taken', ''} end
local over, soft = limits(ARGV[18])
if over then return over end
redis.call('PUBLISH', ARGV[16], ARGV[17])
if not put(a) then return {'changed', ''} end
redis.call('HDEL', KEYS[11], id)
for field, n in string.gmatch(ARGV[20], '([^=;]+)=([^=;]+)') do redis.call('HINCRBY', KEYS[8], field, n) end
spend(cjson.decode(ARGV[21]))
if ARGV[14] ~= '0' then redis.call('SET', KEYS[10], ARGV[15], 'PX', ARGV[14]) end
return {'ok', table.concat(soft, ';')}
`)

// ErrNameTaken means that a live session or batch of the gateway has the name of a create.
var ErrNameTaken = errors.New("another session or batch has this name")

// HandOver makes a warm session the session of a create, whose complete record is r. It returns
// and fails as BeginWithin does, and fails with ErrChanged if the warm session was handed over or
// changed since it was read, and with ErrNameTaken.
func (s *Store) HandOver(ctx context.Context, w *Warm, r *Record, limit int, rep *Repetition, within *Limits) ([]Reached, error) {
	args, doc, err := s.putArgs(r)
	if err != nil {
		return nil, err
	}
	limits, err := s.limitsArg(within, r.MilliCPU, r.MemoryMB)
	if err != nil {
		return nil, err
	}
	usage, spent, err := s.idleArgs(w.idle(r.Workspace, r.Created))
	if err != nil {
		return nil, err
	}
	keys := append(s.recordKeys(r.GatewayID), s.key("records", r.GatewayID), s.key("warm", r.GatewayID))
	life, value := int64(0), ""
	if rep != nil {
		keys[9] = s.repetition(r, rep.Key)
		life, value = rep.Life.Milliseconds(), rep.Value
	}
	args = append(args, limit, life, value, s.channel(), message(TopicRecords, r.GatewayID), limits, w.stored, usage, spent)
	got, err := handOver.Run(ctx, s, Fence{}, keys, args...).StringSlice()
	if err != nil {
		return nil, wrap("handing over a warm session", err)
	}
	return s.began(r, doc, limit, within, got)
}

// began is the result of a script that began a create.
func (s *Store) began(r *Record, doc string, limit int, within *Limits, got []string) ([]Reached, error) {
	switch got[0] {
	case "ok":
		r.stored = doc
		s.noteSaved(r)
		if within == nil {
			return nil, nil
		}
		return within.softReached(got[1])
	case "repeated":
		return nil, &RepeatedError{Value: got[1]}
	case "budget", "count":
		return nil, within.exceeded(got[0], got[1])
	case "limit":
		return nil, gateway.Errorf(gateway.KindLimited, "this token is limited to %s at a time, which it has reached",
			gateway.Count(limit, r.Kind))
	case "name":
		return nil, gateway.Errorf(gateway.KindConflict, "another %s named %q is being created", r.Kind, r.Name)
	case "taken":
		return nil, ErrNameTaken
	default:
		return nil, fmt.Errorf("recording create %s: %w", r.ID, ErrChanged)
	}
}
