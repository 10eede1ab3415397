package store

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
)

// Usage is the resource usage of one token's sessions and batches in a gateway on one day
// (UTC).
type Usage struct {
	// Day is YYYY-MM-DD.
	Day     string
	TokenID string
	// MilliCPUSeconds is in thousandths of a core times seconds, MBSeconds in MiB times
	// seconds.
	MilliCPUSeconds, MBSeconds int64
}

// UsageByDay splits the usage of a record until a given time by day.
func (r *Record) UsageByDay(until time.Time) []Usage {
	if r.MilliCPU == 0 && r.MemoryMB == 0 || r.Started.IsZero() || !r.Confirmed() {
		return nil
	}
	if !r.Ended.IsZero() && r.Ended.Before(until) {
		until = r.Ended
	}
	var days []Usage
	for from := r.Started.UTC(); from.Before(until); {
		next := time.Date(from.Year(), from.Month(), from.Day()+1, 0, 0, 0, 0, time.UTC)
		to := next
		if until.Before(to) {
			to = until
		}
		seconds := to.Sub(from).Seconds()
		days = append(days, Usage{
			Day: from.Format(time.DateOnly), TokenID: r.TokenID,
			MilliCPUSeconds: int64(float64(r.MilliCPU)*seconds + 0.5), MBSeconds: int64(float64(r.MemoryMB)*seconds + 0.5),
		})
		from = next
	}
	return days
}

// usage encodes the amounts that a script adds to the sums when the record ends:
// "day token c=n;day token m=n;..."
func (r *Record) usage() string {
	if r.Live() {
		return ""
	}
	var b strings.Builder
	for _, u := range r.UsageByDay(r.Ended) {
		fmt.Fprintf(&b, "%s %s c=%d;%s %s m=%d;", u.Day, u.TokenID, u.MilliCPUSeconds, u.Day, u.TokenID,
			u.MBSeconds)
	}
	return b.String()
}

// Usage returns the usage of the ended records of a gateway, sorted by day and token, for
// the days from first to last (YYYY-MM-DD; empty means no bound).
func (s *Store) Usage(ctx context.Context, gatewayID, first, last string) ([]Usage, error) {
	got, err := s.rdb.HGetAll(ctx, s.key("usage", gatewayID)).Result()
	if err != nil {
		return nil, wrap("reading usage", err)
	}
	return parseUsage(got, first, last), nil
}

// UsageOf is Usage of several gateways, from a day on, by gateway.
func (s *Store) UsageOf(ctx context.Context, gatewayIDs []string, first string) (map[string][]Usage, error) {
	all := make(map[string][]Usage, len(gatewayIDs))
	for some := range slices.Chunk(gatewayIDs, mergeAtOnce) {
		pipe := s.rdb.Pipeline()
		replies := make([]*redis.MapStringStringCmd, len(some))
		for i, id := range some {
			replies[i] = pipe.HGetAll(ctx, s.key("usage", id))
		}
		if _, err := pipe.Exec(ctx); err != nil {
			return nil, wrap("reading usage", err)
		}
		for i, id := range some {
			if rows := parseUsage(replies[i].Val(), first, ""); len(rows) > 0 {
				all[id] = rows
			}
		}
	}
	return all, nil
}

func parseUsage(got map[string]string, first, last string) []Usage {
	type key struct{ day, token string }
	sums := make(map[key]*Usage)
	for field, text := range got {
		day, rest, _ := strings.Cut(field, " ")
		token, what, _ := strings.Cut(rest, " ")
		if first != "" && day < first || last != "" && day > last {
			continue
		}
		u := sums[key{day, token}]
		if u == nil {
			u = &Usage{Day: day, TokenID: token}
			sums[key{day, token}] = u
		}
		n, _ := strconv.ParseInt(text, 10, 64)
		if what == "c" {
			u.MilliCPUSeconds = n
		} else {
			u.MBSeconds = n
		}
	}
	all := make([]Usage, 0, len(sums))
	for _, u := range sums {
		all = append(all, *u)
	}
	slices.SortFunc(all, func(a, b Usage) int {
		return strings.Compare(a.Day+a.TokenID, b.Day+b.TokenID)
	})
	return all
}
