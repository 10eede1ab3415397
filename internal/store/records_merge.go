package store

import (
	"cmp"
	"context"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// RecordSource is what a list of records is merged from: a gateway's records, or those of
// one of its tokens.
type RecordSource struct{ GatewayID, TokenID string }

// RecordPlace is a record's place in lists: by the millisecond of its creation, newest
// first, and then by descending id.
type RecordPlace struct {
	Created int64 // ms
	ID      string
}

// String is the place as a cursor.
func (p RecordPlace) String() string { return strconv.FormatInt(p.Created, 10) + "-" + p.ID }

// ParseRecordPlace reads what RecordPlace.String wrote.
func ParseRecordPlace(text string) (p RecordPlace, ok bool) {
	ms, id, found := strings.Cut(text, "-")
	n, err := strconv.ParseInt(ms, 10, 64)
	return RecordPlace{n, id}, found && err == nil && n >= 0 && id != ""
}

// compare orders places as lists do.
func (p RecordPlace) compare(q RecordPlace) int {
	return cmp.Or(cmp.Compare(q.Created, p.Created), strings.Compare(q.ID, p.ID))
}

// mergeAtOnce is how many commands go into one pipeline.
const mergeAtOnce = 500

// MergedRecords reads the newest limit records of all sources together that come after a
// place (nil: from the newest on), leaving out the first skip of these. more reports
// whether others follow, and last is the place of the last one.
//
// It costs a command for each source, and more of them only for sources that many of the
// records come from; documents are read of the result alone. Among the living, of which
// there are few, all are read.
func (s *Store) MergedRecords(ctx context.Context, sources []RecordSource, f RecordFilter, after *RecordPlace, skip, limit int) (records []*Record, last RecordPlace, more bool, err error) {
	read := s.mergeIndexes
	if slices.Contains(liveStates, f.State) {
		read = s.mergeLiving
	}
	found, err := read(ctx, sources, f, after, skip+limit+1)
	if err != nil {
		return nil, last, false, err
	}
	found = found[min(skip, len(found)):]
	if more = len(found) > limit; more {
		found = found[:limit]
	}
	if len(found) == 0 {
		return nil, last, false, s.checkMark(ctx, "reading record indexes")
	}
	records, err = s.readMerged(ctx, found)
	return records, found[len(found)-1].RecordPlace, more, err
}

// merged is a record of a merge, with its document where that is known already.
type merged struct {
	RecordPlace
	gatewayID string
	record    *Record
}

// head is how far one source has been read.
type head struct {
	index    string
	gateway  string
	read     int64
	last     RecordPlace
	complete bool
}

func (s *Store) recordIndex(from RecordSource, state string) string {
	index := s.key("record-index", from.GatewayID)
	if from.TokenID != "" {
		index += ":t:" + from.TokenID
	}
	if state != "" {
		index += ":s:" + state
	}
	return index
}

func scoreBounds(f RecordFilter, after *RecordPlace) (least, most string) {
	least, most = "-inf", "+inf"
	if !f.From.IsZero() {
		least = strconv.FormatInt(f.From.UnixMilli(), 10)
	}
	if !f.Until.IsZero() {
		most = "(" + strconv.FormatInt(f.Until.UnixMilli(), 10)
	}
	if after != nil && (f.Until.IsZero() || after.Created < f.Until.UnixMilli()) {
		most = strconv.FormatInt(after.Created, 10)
	}
	return least, most
}

// mergeIndexes finds the newest want records. It reads a few ids of each source, and goes
// on with those whose next one may still be among the newest.
func (s *Store) mergeIndexes(ctx context.Context, sources []RecordSource, f RecordFilter, after *RecordPlace, want int) ([]merged, error) {
	heads := make([]*head, len(sources))
	for i, from := range sources {
		heads[i] = &head{index: s.recordIndex(from, f.State), gateway: from.GatewayID}
	}
	least, most := scoreBounds(f, after)
	var found []merged
	chunk := int64(want/max(1, len(sources)) + 2)
	for reading := heads; len(reading) > 0; chunk = min(4*chunk, int64(want)+2) {
		got, err := s.readHeads(ctx, reading, least, most, chunk)
		if err != nil {
			return nil, err
		}
		for _, m := range got {
			if after == nil || after.compare(m.RecordPlace) < 0 {
				found = append(found, m)
			}
		}
		slices.SortFunc(found, func(a, b merged) int { return a.compare(b.RecordPlace) })
		found = found[:min(len(found), want)]
		reading = slices.DeleteFunc(slices.Clone(heads), func(h *head) bool {
			return h.complete || len(found) == want && found[want-1].compare(h.last) < 0
		})
	}
	return found, nil
}

func (s *Store) readHeads(ctx context.Context, heads []*head, least, most string, chunk int64) (found []merged, err error) {
	for some := range slices.Chunk(heads, mergeAtOnce) {
		pipe := s.rdb.Pipeline()
		replies := make([]*redis.ZSliceCmd, len(some))
		for i, h := range some {
			replies[i] = pipe.ZRevRangeByScoreWithScores(ctx, h.index, &redis.ZRangeBy{Min: least, Max: most, Offset: h.read, Count: chunk})
		}
		if _, err := pipe.Exec(ctx); err != nil {
			return nil, wrap("reading record indexes", err)
		}
		for i, h := range some {
			got := replies[i].Val()
			for _, z := range got {
				id, _ := z.Member.(string)
				h.last = RecordPlace{int64(z.Score), id}
				found = append(found, merged{RecordPlace: h.last, gatewayID: h.gateway})
			}
			h.read += int64(len(got))
			h.complete = int64(len(got)) < chunk
		}
	}
	return found, nil
}

func (s *Store) mergeLiving(ctx context.Context, sources []RecordSource, f RecordFilter, after *RecordPlace, want int) ([]merged, error) {
	tokens := make(map[string]map[string]bool) // by gateway; nil for all
	for _, from := range sources {
		if from.TokenID == "" {
			tokens[from.GatewayID] = nil
		} else if some, seen := tokens[from.GatewayID]; !seen || some != nil {
			if some == nil {
				some = make(map[string]bool)
				tokens[from.GatewayID] = some
			}
			some[from.TokenID] = true
		}
	}
	ids := make([]string, 0, len(tokens))
	for id := range tokens {
		ids = append(ids, id)
	}
	living, err := s.LivingOf(ctx, ids)
	if err != nil {
		return nil, err
	}
	var found []merged
	for id, records := range living {
		for _, r := range records {
			place := RecordPlace{r.Created.UnixMilli(), r.ID}
			if f.selects(r) && (tokens[id] == nil || tokens[id][r.TokenID]) && (after == nil || after.compare(place) < 0) {
				found = append(found, merged{place, id, r})
			}
		}
	}
	slices.SortFunc(found, func(a, b merged) int { return a.compare(b.RecordPlace) })
	return found[:min(len(found), want)], nil
}

// LivingOf reads the records of several gateways that have not ended, by gateway.
func (s *Store) LivingOf(ctx context.Context, gatewayIDs []string) (map[string][]*Record, error) {
	var found []merged
	for some := range slices.Chunk(gatewayIDs, mergeAtOnce) {
		pipe := s.rdb.Pipeline()
		replies := make([]*redis.StringSliceCmd, len(some))
		for i, id := range some {
			replies[i] = pipe.SMembers(ctx, s.key("live", id))
		}
		if _, err := pipe.Exec(ctx); err != nil {
			return nil, wrap("reading live records", err)
		}
		for i, reply := range replies {
			for _, id := range reply.Val() {
				found = append(found, merged{RecordPlace{ID: id}, some[i], nil})
			}
		}
	}
	records, err := s.readMerged(ctx, found)
	if err != nil {
		return nil, err
	}
	living := make(map[string][]*Record)
	for _, r := range records {
		living[r.GatewayID] = append(living[r.GatewayID], r)
	}
	return living, nil
}

// readMerged reads the documents of records, in their order. Those that were deleted
// meanwhile are left out.
func (s *Store) readMerged(ctx context.Context, found []merged) ([]*Record, error) {
	byGateway := make(map[string][]int)
	var order []string
	for i, m := range found {
		if m.record != nil {
			continue
		}
		if byGateway[m.gatewayID] == nil {
			order = append(order, m.gatewayID)
		}
		byGateway[m.gatewayID] = append(byGateway[m.gatewayID], i)
	}
	for some := range slices.Chunk(order, mergeAtOnce) {
		pipe := s.rdb.Pipeline()
		replies := make([]*redis.SliceCmd, len(some))
		for n, id := range some {
			ids := make([]string, len(byGateway[id]))
			for j, i := range byGateway[id] {
				ids[j] = found[i].ID
			}
			replies[n] = pipe.HMGet(ctx, s.key("records", id), ids...)
		}
		if _, err := pipe.Exec(ctx); err != nil {
			return nil, wrap("reading records", err)
		}
		for n, id := range some {
			for j, doc := range replies[n].Val() {
				text, ok := doc.(string)
				if !ok {
					continue
				}
				r, err := decodeRecord(text)
				if err != nil {
					return nil, err
				}
				found[byGateway[id][j]].record = r
			}
		}
	}
	records := make([]*Record, 0, len(found))
	for _, m := range found {
		if m.record != nil {
			records = append(records, m.record)
		}
	}
	return records, nil
}

// CountRecords counts the records of all sources together that the filter chooses.
func (s *Store) CountRecords(ctx context.Context, sources []RecordSource, f RecordFilter) (total int64, err error) {
	if slices.Contains(liveStates, f.State) {
		living, err := s.mergeLiving(ctx, sources, f, nil, 1<<30)
		return int64(len(living)), err
	}
	least, most := scoreBounds(f, nil)
	for some := range slices.Chunk(sources, mergeAtOnce) {
		pipe := s.rdb.Pipeline()
		replies := make([]*redis.IntCmd, len(some))
		for i, from := range some {
			replies[i] = pipe.ZCount(ctx, s.recordIndex(from, f.State), least, most)
		}
		if _, err := pipe.Exec(ctx); err != nil {
			return 0, wrap("counting records", err)
		}
		for _, reply := range replies {
			total += reply.Val()
		}
	}
	return total, nil
}

// CreatedPerDay counts the records of each source that were created on each of some days
// (UTC) and are still kept: a command for each source and day.
func (s *Store) CreatedPerDay(ctx context.Context, sources []RecordSource, days []time.Time) (map[RecordSource][]int64, error) {
	counts := make(map[RecordSource][]int64, len(sources))
	atOnce := max(1, mergeAtOnce/max(1, len(days)))
	for some := range slices.Chunk(sources, atOnce) {
		pipe := s.rdb.Pipeline()
		replies := make(map[RecordSource][]*redis.IntCmd, len(some))
		for _, from := range some {
			for _, day := range days {
				least, most := scoreBounds(RecordFilter{From: day, Until: day.AddDate(0, 0, 1)}, nil)
				replies[from] = append(replies[from], pipe.ZCount(ctx, s.recordIndex(from, ""), least, most))
			}
		}
		if _, err := pipe.Exec(ctx); err != nil {
			return nil, wrap("counting records", err)
		}
		for from, all := range replies {
			for _, reply := range all {
				counts[from] = append(counts[from], reply.Val())
			}
		}
	}
	return counts, nil
}
