package store

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Record reads the record with a public id; KindNotFound if there is none.
func (s *Store) Record(ctx context.Context, gatewayID, kind string, publicID int64) (*Record, error) {
	doing := fmt.Sprintf("reading record of %s %d", kind, publicID)
	id, err := s.rdb.HGet(ctx, s.key("record-ids", gatewayID), publicRef(kind, publicID)).Result()
	if err != nil {
		return nil, s.wrapMissing(ctx, doing, err)
	}
	return s.RecordByID(ctx, gatewayID, id)
}

// RecordByID reads the record with an id of its own; KindNotFound if there is none.
func (s *Store) RecordByID(ctx context.Context, gatewayID, id string) (*Record, error) {
	doc, err := s.rdb.HGet(ctx, s.key("records", gatewayID), id).Result()
	if err != nil {
		return nil, s.wrapMissing(ctx, "reading record "+id, err)
	}
	return decodeRecord(doc)
}

// LiveID returns the public id of the live session or batch with a name; KindNotFound if
// there is none. Livy keeps names unique among live sessions and among live batches.
func (s *Store) LiveID(ctx context.Context, gatewayID, kind, name string) (int64, error) {
	id, err := s.rdb.HGet(ctx, s.key("names", gatewayID), kind+":"+name).Int64()
	if err != nil {
		return 0, s.wrapMissing(ctx, fmt.Sprintf("finding %s %q", kind, name), err)
	}
	return id, nil
}

// PublicRef names a session or batch as clients do.
type PublicRef struct {
	Kind     string
	PublicID int64
}

// RecordIDs returns the ids of the records with the given public ids, with "" for those that
// do not exist.
func (s *Store) RecordIDs(ctx context.Context, gatewayID string, refs []PublicRef) ([]string, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	fields := make([]string, len(refs))
	for i, ref := range refs {
		fields[i] = publicRef(ref.Kind, ref.PublicID)
	}
	got, err := s.rdb.HMGet(ctx, s.key("record-ids", gatewayID), fields...).Result()
	if err != nil {
		return nil, wrap("reading record ids", err)
	}
	ids := make([]string, len(got))
	for i, v := range got {
		ids[i], _ = v.(string)
	}
	if slices.Contains(ids, "") {
		return ids, s.checkMark(ctx, "reading record ids")
	}
	return ids, nil
}

// RecordsByPublicID returns the records with the given public ids, without those that do not
// exist.
func (s *Store) RecordsByPublicID(ctx context.Context, gatewayID string, refs []PublicRef) ([]*Record, error) {
	ids, err := s.RecordIDs(ctx, gatewayID, refs)
	if err != nil {
		return nil, err
	}
	return s.recordsOf(ctx, gatewayID, slices.DeleteFunc(ids, func(id string) bool { return id == "" }))
}

// StateLive selects all records that have not ended.
const StateLive = "live"

var liveStates = []string{
	StateLive, "not_started", "starting", "recovering", "idle", "running", "busy",
	"shutting_down",
}

// finalStates are the states that have their own index.
var finalStates = []string{"success", "dead", "killed", "error", "gone"}

// RecordStates are what a RecordFilter's State can be.
func RecordStates() []string { return slices.Concat(liveStates, finalStates) }

// RecordFilter chooses records of a gateway. Empty fields choose all.
type RecordFilter struct {
	TokenID string
	// State is one of Livy's states, "gone", or "live" for all that have not ended.
	State string
	// From and Until bound Created: From <= Created < Until.
	From, Until time.Time
}

// Records returns a page of a gateway's records, newest first (by millisecond, then by
// descending id), and the total number of records that the filter selects.
func (s *Store) Records(
	ctx context.Context, gatewayID string, f RecordFilter, offset, limit int64,
) ([]*Record, int64, error) {
	if slices.Contains(liveStates, f.State) {
		return s.livePage(ctx, gatewayID, f, offset, limit)
	}
	index := s.recordIndex(RecordSource{gatewayID, f.TokenID}, f.State)
	least, most := scoreBounds(f, nil)
	// Use ranks instead of scores: they are found in O(log n) however deep the page is.
	pipe := s.rdb.Pipeline()
	count := pipe.ZCount(ctx, index, least, most)
	var newer *redis.IntCmd
	if !f.Until.IsZero() {
		newer = pipe.ZCount(ctx, index, most[1:], "+inf")
	}
	if _, err := pipe.Exec(ctx); err != nil {
		return nil, 0, wrap("counting records", err)
	}
	total, first := count.Val(), offset
	if newer != nil {
		first += newer.Val()
	}
	limit = min(limit, total-offset)
	if limit <= 0 {
		return nil, total, s.checkMark(ctx, "counting records")
	}
	ids, err := s.rdb.ZRevRange(ctx, index, first, first+limit-1).Result()
	if err != nil {
		return nil, 0, wrap("reading record index", err)
	}
	records, err := s.recordsOf(ctx, gatewayID, ids)
	return records, total, err
}

// livePage filters the live records, of which there are few.
func (s *Store) livePage(
	ctx context.Context, gatewayID string, f RecordFilter, offset, limit int64,
) ([]*Record, int64, error) {
	all, err := s.LiveRecords(ctx, gatewayID)
	if err != nil {
		return nil, 0, err
	}
	all = slices.DeleteFunc(all, func(r *Record) bool { return !f.selects(r) })
	// Same order as the indexes.
	slices.SortFunc(all, func(a, b *Record) int {
		return cmp.Or(cmp.Compare(b.Created.UnixMilli(), a.Created.UnixMilli()), strings.Compare(b.ID, a.ID))
	})
	total := int64(len(all))
	offset = min(offset, total)
	return all[offset:min(total, offset+limit)], total, nil
}

// selects reports whether the filter selects a live record. The filter's state must be one of
// the live states.
func (f *RecordFilter) selects(r *Record) bool {
	return (f.State == StateLive || r.State == f.State) && (f.TokenID == "" || r.TokenID == f.TokenID) &&
		(f.From.IsZero() || !r.Created.Before(f.From)) && (f.Until.IsZero() || r.Created.Before(f.Until))
}

// LiveRecords reads the records of a gateway that have not ended.
func (s *Store) LiveRecords(ctx context.Context, gatewayID string) ([]*Record, error) {
	ids, err := s.rdb.SMembers(ctx, s.key("live", gatewayID)).Result()
	if err != nil {
		return nil, wrap("reading live records", err)
	}
	return s.recordsOf(ctx, gatewayID, ids)
}

// LiveCount returns the number of live sessions or batches of a token, including those that
// Livy has not confirmed.
func (s *Store) LiveCount(ctx context.Context, gatewayID, tokenID, kind string) (int, error) {
	n, err := s.rdb.SCard(ctx, s.key("live", gatewayID)+":t:"+tokenID+":"+kind).Result()
	return int(n), wrap("counting live records", err)
}

// OldestRecords returns the oldest records, as far as they were created before a time.
func (s *Store) OldestRecords(
	ctx context.Context, gatewayID string, before time.Time, offset, limit int64,
) ([]*Record, error) {
	ids, err := s.rdb.ZRangeByScore(ctx, s.key("record-index", gatewayID), &redis.ZRangeBy{
		Min: "-inf", Max: "(" + strconv.FormatInt(before.UnixMilli(), 10), Offset: offset, Count: limit,
	}).Result()
	if err != nil {
		return nil, wrap("reading record index", err)
	}
	return s.recordsOf(ctx, gatewayID, ids)
}

func (s *Store) recordsOf(ctx context.Context, gatewayID string, ids []string) ([]*Record, error) {
	if len(ids) == 0 {
		return nil, nil
	}
	docs, err := s.rdb.HMGet(ctx, s.key("records", gatewayID), ids...).Result()
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
