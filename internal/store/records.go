package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/livygateway/livygateway/internal/gateway"
)

// Record is the ledger's entry of one session or batch. It is written before the create
// request is sent to Livy and completed by Livy's reply.
type Record struct {
	// ID is the record's own globally unique id, "livy-" and 16 characters.
	ID        string `json:"id"`
	GatewayID string `json:"gatewayId"`
	// Kind is "session" or "batch".
	Kind string `json:"kind"`
	// PublicID is the id that clients see; it is never reused within a gateway. LivyID is
	// the id in the Livy server of the given Epoch. Both are -1 until Livy has confirmed
	// the create.
	PublicID int64 `json:"publicId"`
	LivyID   int64 `json:"livyId"`
	Epoch    int64 `json:"epoch"`
	// Name is unique among the live sessions or batches.
	Name string `json:"name,omitempty"`
	// Warm reports whether it was started ahead. LivyName is its name in Livy then, if that is
	// another one, and Shown what replies show in place of what Livy knows.
	Warm     bool       `json:"warm,omitempty"`
	LivyName string     `json:"livyName,omitempty"`
	Shown    *ShownWarm `json:"shown,omitempty"`
	// State is Livy's state (starting, idle, busy, running, success, dead, error, killed,
	// ...), or "gone" if Livy no longer knows it.
	State string `json:"state"`
	// Reason explains how it ended, where the state alone does not.
	Reason string `json:"reason,omitempty"`
	AppID  string `json:"appId,omitempty"`
	// TokenID and TokenName identify the token that created it; both are empty if it was
	// not created through the gateway.
	TokenID    string `json:"tokenId,omitempty"`
	TokenName  string `json:"tokenName,omitempty"`
	ClientAddr string `json:"clientAddr,omitempty"`
	// User is whose resources it uses, and Workspace the gateway's: usage is counted for both.
	User      string `json:"user,omitempty"`
	Workspace string `json:"workspace,omitempty"`
	// Resources is the resource configuration: kind, driverMemory, driverCores,
	// executorMemory, executorCores, numExecutors, queue, conf, mountCost and so on.
	Resources json.RawMessage `json:"resources,omitempty"`
	// Policy is the policy report of the create: the settings that were ignored and forced.
	Policy json.RawMessage `json:"policy,omitempty"`
	// SparkUI is the address of the Spark UI: a path of this gateway's endpoint, or the
	// URL that Livy reports.
	SparkUI string `json:"sparkUi,omitempty"`
	// MilliCPU (thousandths of a core) and MemoryMB (MiB) are the resources it uses while
	// it runs: driver, executors and mounted directories together.
	MilliCPU int64 `json:"milliCpu,omitempty"`
	MemoryMB int64 `json:"memoryMb,omitempty"`
	// VCoreSeconds and MBSeconds are those resources multiplied by the time from Started to
	// Ended; 0 until it has ended.
	VCoreSeconds float64 `json:"vcoreSeconds,omitempty"`
	MBSeconds    int64   `json:"mbSeconds,omitempty"`
	// Log holds the last lines of its log once it has ended.
	Log []string `json:"log,omitempty"`
	// Created is when the request arrived. Started is when it was first seen running, or
	// Created if it ended before that. Ended is zero until it has ended.
	Created time.Time `json:"created"`
	Started time.Time `json:"started,omitzero"`
	Updated time.Time `json:"updated"`
	Ended   time.Time `json:"ended,omitzero"`

	// stored is the document that this record was read from or last saved as.
	stored string
	// told is what the Observer knows of it.
	told marks
}

// ShownWarm is what replies show of a session that was started ahead in place of what Livy
// knows: what its create asked for in other words than those that it was started with.
type ShownWarm struct {
	// Fields are members of Livy's object, Conf settings in its conf; NotConf are settings that
	// it does not show.
	Fields  map[string]json.RawMessage `json:"fields,omitempty"`
	Conf    map[string]string          `json:"conf,omitempty"`
	NotConf []string                   `json:"notConf,omitempty"`
}

// NameInLivy returns the name that Livy lists it under.
func (r *Record) NameInLivy() string {
	if r.LivyName != "" {
		return r.LivyName
	}
	return r.Name
}

// Live reports whether the record has not ended.
func (r *Record) Live() bool { return r.Ended.IsZero() }

// Confirmed reports whether Livy has confirmed the create.
func (r *Record) Confirmed() bool { return r.LivyID >= 0 }

// publicRef is the field under which a record is found by its public id.
func publicRef(kind string, publicID int64) string {
	return kind + ":" + strconv.FormatInt(publicID, 10)
}

// ErrChanged is returned when a record was changed since it was read: callers must read it
// again and reconsider their change.
var ErrChanged = errors.New("the record was changed in the meantime")

// putRecord is the part of scripts that writes one record and maintains its indexes: by
// time, by token, by final state, the set of live records, names, public ids and the lowest
// free public id. It also maintains the usage sums, which a confirmed record increases once,
// when it ends. A record that ended unconfirmed may still be found in Livy later.
//
// KEYS: see recordKeys. Further keys are derived from them and share their slot.
const putRecord = countRecord + `
local function put(a)
  local id, old, doc, created, alive, kind, public, name, token, state, usage, accounts = unpack(a)
  local current = redis.call('HGET', KEYS[1], id) or ''
  if current ~= old and current ~= doc then return false end
  local was = current ~= '' and cjson.decode(current) or {}
  if public ~= '' then
    local ref = kind .. ':' .. public
    local owner = redis.call('HGET', KEYS[6], ref)
    if owner and owner ~= id then return false end
    redis.call('HSET', KEYS[6], ref, id)
    local next = tonumber(redis.call('HGET', KEYS[4], kind) or '0')
    if tonumber(public) >= next then redis.call('HSET', KEYS[4], kind, string.format('%.0f', tonumber(public) + 1)) end
    if redis.call('HGET', KEYS[7], kind .. ':' .. name) == id then redis.call('HDEL', KEYS[7], kind .. ':' .. name) end
  end
  redis.call('HSET', KEYS[1], id, doc)
  redis.call('ZADD', KEYS[2], created, id)
  local mine = KEYS[2] .. ':t:' .. token
  local livemine = KEYS[3] .. ':t:' .. token .. ':' .. kind
  if token ~= '' then
    redis.call('SADD', KEYS[9], token)
    redis.call('ZADD', mine, created, id)
  end
  if was.ended then
    redis.call('ZREM', KEYS[2] .. ':s:' .. was.state, id)
    if token ~= '' then redis.call('ZREM', mine .. ':s:' .. was.state, id) end
  end
  local ends = alive ~= '1' and (not was.ended or was.publicId < 0 and public ~= '')
  count(was, id, token, alive == '1', ends, accounts)
  if alive == '1' then
    redis.call('SADD', KEYS[3], id)
    if token ~= '' then redis.call('SADD', livemine, id) end
    if public ~= '' and name ~= '' then redis.call('HSET', KEYS[5], kind .. ':' .. name, public) end
  else
    redis.call('SREM', KEYS[3], id)
    if ends then
      for field, n in string.gmatch(usage, '([^=;]+)=([^=;]+)') do redis.call('HINCRBY', KEYS[8], field, n) end
    end
    redis.call('ZADD', KEYS[2] .. ':s:' .. state, created, id)
    if token ~= '' then
      redis.call('SREM', livemine, id)
      redis.call('ZADD', mine .. ':s:' .. state, created, id)
    end
    if public ~= '' and redis.call('HGET', KEYS[5], kind .. ':' .. name) == public then
      redis.call('HDEL', KEYS[5], kind .. ':' .. name)
    end
  end
  return true
end
`

// putFields is the number of ARGV that one record takes in a script.
const putFields = 12

// KEYS: see recordKeys. ARGV: channel, message, and the records
var saveRecords = newScript(putRecord + `
redis.call('PUBLISH', ARGV[1], ARGV[2])
local changed = {}
for i = 3, #ARGV, 12 do
  local a = {}
  for j = 0, 11 do a[j+1] = ARGV[i+j] end
  if not put(a) then changed[#changed+1] = a[1] end
end
return changed
`)

// recordKeys returns the keys of a gateway's records, in the order of KEYS.
func (s *Store) recordKeys(gatewayID string) []string {
	return []string{
		s.key("records", gatewayID), s.key("record-index", gatewayID), s.key("live", gatewayID),
		s.key("ids", gatewayID), s.key("names", gatewayID), s.key("record-ids", gatewayID),
		s.key("pending", gatewayID), s.key("usage", gatewayID), s.key("record-tokens", gatewayID),
	}
}

// putArgs returns the arguments of putRecord, and separately the document among them.
func (s *Store) putArgs(r *Record) (args []any, doc string, err error) {
	text, err := json.Marshal(r)
	if err != nil {
		return nil, "", fmt.Errorf("encoding record %s: %w", r.ID, err)
	}
	accounts, err := s.accounting(r)
	if err != nil {
		return nil, "", err
	}
	alive, public := "0", ""
	if r.Live() {
		alive = "1"
	}
	if r.PublicID >= 0 {
		public = strconv.FormatInt(r.PublicID, 10)
	}
	doc = string(text)
	return []any{
		r.ID, r.stored, doc, r.Created.UnixMilli(), alive, r.Kind, public, r.Name, r.TokenID, r.State, r.usage(), accounts,
	}, doc, nil
}

// saveAtOnce bounds the number of records that one script writes, so that Redis is never
// blocked for long.
const saveAtOnce = 200

// SaveRecords writes new and changed records. Records that were changed since they were
// read, or whose public id belongs to another record, are not written and the error is
// ErrChanged; the others are written.
func (s *Store) SaveRecords(ctx context.Context, f Fence, gatewayID string, records ...*Record) error {
	var failed error
	for len(records) > 0 {
		some := records[:min(len(records), saveAtOnce)]
		records = records[len(some):]
		args := make([]any, 0, 2+putFields*len(some))
		args = append(args, s.channel(), message(TopicRecords, gatewayID))
		docs := make(map[string]string, len(some))
		for _, r := range some {
			a, doc, err := s.putArgs(r)
			if err != nil {
				return err
			}
			args = append(args, a...)
			docs[r.ID] = doc
		}
		changed, err := saveRecords.Run(ctx, s, f, s.recordKeys(gatewayID), args...).StringSlice()
		if err != nil && !errors.Is(err, redis.Nil) {
			return wrap("saving records", err)
		}
		for _, id := range changed {
			delete(docs, id)
		}
		for _, r := range some {
			if doc, ok := docs[r.ID]; ok {
				r.stored = doc
				s.noteSaved(r)
			}
		}
		if len(changed) > 0 {
			failed = &gateway.Error{
				Kind: gateway.KindConflict,
				Rule: "saving records " + strings.Join(changed, ", "), Err: ErrChanged,
			}
		}
	}
	return failed
}

var nextIDs = newScript(`
if ARGV[1] ~= '0' then
  redis.call('HINCRBY', KEYS[1], 'session', ARGV[1])
  redis.call('HINCRBY', KEYS[1], 'batch', ARGV[1])
end
return redis.call('HMGET', KEYS[1], 'session', 'batch')
`)

// NextIDs returns the lowest public ids that were never issued in a gateway.
func (s *Store) NextIDs(ctx context.Context, f Fence, gatewayID string) (session, batch int64, err error) {
	return s.SkipIDs(ctx, f, gatewayID, 0)
}

// SkipIDs skips the next n public ids of both kinds, which may have been issued without
// being recorded, and returns the ids that follow.
func (s *Store) SkipIDs(
	ctx context.Context, f Fence, gatewayID string, n int64,
) (session, batch int64, err error) {
	got, err := nextIDs.Run(ctx, s, f, []string{s.key("ids", gatewayID)}, n).Slice()
	if err != nil {
		return 0, 0, wrap("reading ids", err)
	}
	parse := func(v any) int64 {
		text, _ := v.(string)
		n, _ := strconv.ParseInt(text, 10, 64)
		return n
	}
	return parse(got[0]), parse(got[1]), nil
}

func decodeRecord(doc string) (*Record, error) {
	var r Record
	if err := json.Unmarshal([]byte(doc), &r); err != nil {
		return nil, errors.Join(errors.New("decoding record"), err)
	}
	r.stored, r.told = doc, r.marks()
	return &r, nil
}
