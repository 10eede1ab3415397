package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// Record is the row of one session or batch in the ledger.
type Record struct {
	// ID is the record's own id, "livy-" and 16 characters; it never repeats
	// anywhere.
	ID        string `json:"id"`
	GatewayID string `json:"gatewayId"`
	// Kind is "session" or "batch".
	Kind string `json:"kind"`
	// PublicID is the id that clients see; it never repeats within a gateway.
	// LivyID is the id in the Livy server of the given Epoch.
	PublicID int64  `json:"publicId"`
	LivyID   int64  `json:"livyId"`
	Epoch    int64  `json:"epoch"`
	Name     string `json:"name,omitempty"`
	// State is Livy's word: starting, idle, busy, running, success, dead, error,
	// killed ..., and "gone" where Livy no longer knows it.
	State  string `json:"state"`
	Reason string `json:"reason,omitempty"`
	AppID  string `json:"appId,omitempty"`
	// TokenID and TokenName say whose token created it; both are empty for what
	// was found in Livy without a create through the gateway.
	TokenID    string `json:"tokenId,omitempty"`
	TokenName  string `json:"tokenName,omitempty"`
	ClientAddr string `json:"clientAddr,omitempty"`
	// Resources is the resource configuration in the product's words: kind,
	// driverMemory, driverCores, executorMemory, executorCores, numExecutors,
	// queue, conf.
	Resources json.RawMessage `json:"resources,omitempty"`
	// Policy is the policy report of the create: what was ignored and forced.
	Policy  json.RawMessage `json:"policy,omitempty"`
	SparkUI string          `json:"sparkUi,omitempty"`
	Created time.Time       `json:"created"`
	Updated time.Time       `json:"updated"`
	// Ended is zero while it lives.
	Ended time.Time `json:"ended,omitzero"`
}

func (r *Record) member() string { return member(r.Kind, r.PublicID) }

func member(kind string, publicID int64) string {
	return kind + ":" + strconv.FormatInt(publicID, 10)
}

// saveRecord writes records and keeps the gateway's index, the set of those that
// live, the names of those that live, and the lowest public id that is free.
//
// KEYS: rows, index, live, ids, names
// ARGV: for each record: member, document, created (ms), "1" while it lives,
// kind, public id, name
var saveRecord = redis.NewScript(`
for i = 1, #ARGV, 7 do
  local name = ARGV[i+4] .. ':' .. ARGV[i+6]
  redis.call('HSET', KEYS[1], ARGV[i], ARGV[i+1])
  redis.call('ZADD', KEYS[2], ARGV[i+2], ARGV[i])
  if ARGV[i+3] == '1' then
    redis.call('SADD', KEYS[3], ARGV[i])
    if ARGV[i+6] ~= '' then redis.call('HSET', KEYS[5], name, ARGV[i+5]) end
  else
    redis.call('SREM', KEYS[3], ARGV[i])
    if redis.call('HGET', KEYS[5], name) == ARGV[i+5] then redis.call('HDEL', KEYS[5], name) end
  end
  local next = tonumber(redis.call('HGET', KEYS[4], ARGV[i+4]) or '0')
  local id = tonumber(ARGV[i+5])
  if id >= next then redis.call('HSET', KEYS[4], ARGV[i+4], string.format('%.0f', id + 1)) end
end
return 'ok'
`)

// SaveRecords writes new and changed records of one gateway at once.
func (s *Store) SaveRecords(ctx context.Context, gatewayID string, records ...*Record) error {
	if len(records) == 0 {
		return nil
	}
	args := make([]any, 0, 7*len(records))
	for _, r := range records {
		doc, err := json.Marshal(r)
		if err != nil {
			return fmt.Errorf("encoding record %s: %w", r.ID, err)
		}
		alive := "0"
		if r.Ended.IsZero() {
			alive = "1"
		}
		args = append(args, r.member(), doc, r.Created.UnixMilli(), alive, r.Kind, r.PublicID, r.Name)
	}
	keys := []string{
		s.key("records", gatewayID), s.key("record-index", gatewayID),
		s.key("live", gatewayID), s.key("ids", gatewayID), s.key("names", gatewayID),
	}
	return wrap("saving records", saveRecord.Run(ctx, s.rdb, keys, args...).Err())
}

// NextIDs returns the lowest public ids that were never given out in a gateway.
func (s *Store) NextIDs(ctx context.Context, gatewayID string) (session, batch int64, err error) {
	got, err := s.rdb.HMGet(ctx, s.key("ids", gatewayID), "session", "batch").Result()
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

// Record reads one record; KindNotFound if there is none.
func (s *Store) Record(ctx context.Context, gatewayID, kind string, publicID int64) (*Record, error) {
	doc, err := s.rdb.HGet(ctx, s.key("records", gatewayID), member(kind, publicID)).Result()
	if err != nil {
		return nil, wrap(fmt.Sprintf("reading record of %s %d", kind, publicID), err)
	}
	return decodeRecord(doc)
}

// LiveID finds the public id of the session or batch that has a name now;
// KindNotFound if none has. Livy's names are unique per kind among the living.
func (s *Store) LiveID(ctx context.Context, gatewayID, kind, name string) (int64, error) {
	id, err := s.rdb.HGet(ctx, s.key("names", gatewayID), kind+":"+name).Int64()
	if err != nil {
		return 0, wrap(fmt.Sprintf("finding %s %q", kind, name), err)
	}
	return id, nil
}

// Records reads a page of a gateway's records, newest first, and their number.
func (s *Store) Records(ctx context.Context, gatewayID string, offset, limit int64) ([]*Record, int64, error) {
	index := s.key("record-index", gatewayID)
	total, err := s.rdb.ZCard(ctx, index).Result()
	if err != nil {
		return nil, 0, wrap("counting records", err)
	}
	members, err := s.rdb.ZRevRange(ctx, index, offset, offset+limit-1).Result()
	if err != nil {
		return nil, 0, wrap("reading record index", err)
	}
	records, err := s.recordsOf(ctx, gatewayID, members)
	return records, total, err
}

// LiveRecords reads the records of a gateway that have not ended.
func (s *Store) LiveRecords(ctx context.Context, gatewayID string) ([]*Record, error) {
	members, err := s.rdb.SMembers(ctx, s.key("live", gatewayID)).Result()
	if err != nil {
		return nil, wrap("reading live records", err)
	}
	return s.recordsOf(ctx, gatewayID, members)
}

// DeleteRecords removes all records of a gateway.
func (s *Store) DeleteRecords(ctx context.Context, gatewayID string) error {
	err := s.rdb.Unlink(ctx, s.key("records", gatewayID), s.key("record-index", gatewayID),
		s.key("live", gatewayID), s.key("names", gatewayID)).Err()
	return wrap("deleting records", err)
}

func (s *Store) recordsOf(ctx context.Context, gatewayID string, members []string) ([]*Record, error) {
	if len(members) == 0 {
		return nil, nil
	}
	docs, err := s.rdb.HMGet(ctx, s.key("records", gatewayID), members...).Result()
	if err != nil {
		return nil, wrap("reading records", err)
	}
	records := make([]*Record, 0, len(docs))
	for _, doc := range docs {
		text, ok := doc.(string)
		if !ok {
			continue // deleted between the two reads
		}
		r, err := decodeRecord(text)
		if err != nil {
			return nil, err
		}
		records = append(records, r)
	}
	return records, nil
}

func decodeRecord(doc string) (*Record, error) {
	var r Record
	if err := json.Unmarshal([]byte(doc), &r); err != nil {
		return nil, errors.Join(errors.New("decoding record"), err)
	}
	return &r, nil
}
