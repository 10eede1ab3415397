package sessions

import (
	"context"
	"slices"
	"strings"

	"github.com/livygateway/livygateway/internal/store"
)

// Usage is what the sessions and batches of one token used on one day.
type Usage struct {
	// Day is YYYY-MM-DD in UTC.
	Day     string `json:"day"`
	TokenID string `json:"tokenId"`
	// VCoreHours and GBHours are cores and GiB times hours, mounted directories
	// included.
	VCoreHours float64 `json:"vcoreHours"`
	GBHours    float64 `json:"gbHours"`
}

// Usage sums up what was used in a gateway on the days from first to last
// (YYYY-MM-DD; empty means no bound), by day and token in that order. What lives
// counts up to now. The sums stay when records are trimmed.
func (l *Ledger) Usage(ctx context.Context, gatewayID, first, last string) ([]Usage, error) {
	// The living first: what ends in between is then counted twice for once at
	// worst, rather than missing.
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
	slices.SortStableFunc(rows, func(a, b store.Usage) int { return strings.Compare(a.Day+a.TokenID, b.Day+b.TokenID) })
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
