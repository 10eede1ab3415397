package sessions

import (
	"context"
	"slices"
	"strings"

	"github.com/livygateway/livygateway/internal/store"
)

// Usage is the resource usage of one token's sessions and batches on one day.
type Usage struct {
	// Day is YYYY-MM-DD in UTC.
	Day     string `json:"day"`
	TokenID string `json:"tokenId"`
	// VCoreHours and GBHours are cores and GiB times hours, including mounted
	// directories.
	VCoreHours float64 `json:"vcoreHours"`
	GBHours    float64 `json:"gbHours"`
}

// Usage returns the usage of a gateway on the days from first to last (YYYY-MM-DD; empty
// means no bound), sorted by day and token. Live sessions and batches count up to now. The
// sums are kept when records are trimmed.
func (l *Ledger) Usage(ctx context.Context, gatewayID, first, last string) ([]Usage, error) {
	// Read live records first: a record that ends in between may be counted twice this
	// time, rather than missing.
	live, err := l.store.LiveRecords(ctx, gatewayID)
	if err != nil {
		return nil, err
	}
	rows, err := l.store.Usage(ctx, gatewayID, first, last)
	if err != nil {
		return nil, err
	}
	now := l.now().UTC()
	for _, r := range live {
		for _, u := range r.UsageByDay(now) {
			if (first == "" || u.Day >= first) && (last == "" || u.Day <= last) {
				rows = append(rows, u)
			}
		}
	}
	slices.SortStableFunc(rows,
		func(a, b store.Usage) int { return strings.Compare(a.Day+a.TokenID, b.Day+b.TokenID) })
	usage := make([]Usage, 0, len(rows))
	for _, u := range rows {
		if n := len(usage); n == 0 || usage[n-1].Day != u.Day || usage[n-1].TokenID != u.TokenID {
			usage = append(usage, Usage{Day: u.Day, TokenID: u.TokenID})
		}
		sum := &usage[len(usage)-1]
		sum.VCoreHours += float64(u.MilliCPUSeconds) / 1000 / 3600
		sum.GBHours += float64(u.MBSeconds) / 1024 / 3600
	}
	return usage, nil
}
