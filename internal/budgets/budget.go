// Package budgets bounds what users, tokens, gateways and workspaces use in a day or a month, and
// what they may start. The bounds are checked in the step that stores a create, over all
// instances; see store.Limits.
package budgets

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
)

// The periods of budgets. They begin at midnight UTC.
const (
	Day   = "day"
	Month = "month"
)

// What happens to running sessions and batches when a hard bound is reached.
const (
	Refuse = "refuse" // nothing: only creates are refused
	Stop   = "stop"   // they are stopped
)

// Pers are what budgets can be counted for.
var Pers = []string{store.PerUser, store.PerToken, store.PerGateway, store.PerWorkspace}

// Budget bounds the vCore-hours and GB-hours of each user, token, gateway or workspace in a
// period.
type Budget struct {
	// The name of the budget, in replies, events and metrics.
	Name string `json:"name"`

	// What it is counted for: `user`, `token`, `gateway` or `workspace`. Each of them has the
	// whole budget.
	Per string `json:"per"`

	// Which of them have the budget: names of users or workspaces, names or ids of tokens,
	// gateways as `workspace/name`. `*` stands for any text. Default: all.
	Match []string `json:"match,omitempty"`

	// `day` or `month`, in UTC.
	Period string `json:"period"`

	// The bounds for cores times hours.
	VCoreHours Bounds `json:"vcore_hours,omitzero"`

	// The bounds for GiB of memory times hours.
	GBHours Bounds `json:"gb_hours,omitzero"`

	// What happens to sessions and batches that run when a hard bound is reached: `refuse` (the
	// default) leaves them alone and refuses creates, `stop` stops them too.
	OnExceed string `json:"on_exceed,omitempty"`

	// The time for which every session and batch counts at least while it lives, so that many
	// creates at once cannot exceed the budget. A duration up to 24h. Default: 1m.
	Reserve string `json:"reserve,omitempty"`
}

// Bounds are the bounds of a budget.
type Bounds struct {
	// Reported when it is reached. Default: none.
	Soft float64 `json:"soft,omitempty"`

	// Creates that would exceed it are refused. Default: none.
	Hard float64 `json:"hard,omitempty"`
}

// DefaultReserve is the default of Budget.Reserve.
const DefaultReserve = time.Minute

const maxReserve = 24 * time.Hour

// reserve returns the time that Reserve stands for.
func (b *Budget) reserve() time.Duration {
	if b.Reserve == "" {
		return DefaultReserve
	}
	d, _ := time.ParseDuration(b.Reserve) // checked by Validate
	return d
}

// Validate checks a budget.
func (b *Budget) Validate() error {
	field := func(name string) string { return fmt.Sprintf("budget %s: %s", b.Name, name) }
	if !slices.Contains(Pers, b.Per) {
		return gateway.Invalid(field("per"), b.Per, "must be one of "+strings.Join(Pers, ", "))
	}
	if b.Period != Day && b.Period != Month {
		return gateway.Invalid(field("period"), b.Period, "must be day or month")
	}
	if b.OnExceed != "" && b.OnExceed != Refuse && b.OnExceed != Stop {
		return gateway.Invalid(field("on_exceed"), b.OnExceed, "must be refuse or stop")
	}
	if d, err := time.ParseDuration(b.Reserve); b.Reserve != "" && (err != nil || d < 0 || d > maxReserve) {
		return gateway.Invalid(field("reserve"), b.Reserve, "must be a duration from 0s to 24h")
	}
	given := false
	for name, bounds := range map[string]Bounds{"vcore_hours": b.VCoreHours, "gb_hours": b.GBHours} {
		for _, n := range []float64{bounds.Soft, bounds.Hard} {
			if n < 0 || n > maxHours {
				return gateway.Invalid(field(name), fmt.Sprint(n), "must be from 0 to 1000000000")
			}
			given = given || n > 0
		}
		if bounds.Hard > 0 && bounds.Soft > bounds.Hard {
			return gateway.Invalid(field(name), fmt.Sprint(bounds.Soft), "the soft bound must not be above the hard one")
		}
	}
	switch {
	case !given:
		return gateway.Invalid(field("vcore_hours"), "", "a budget needs a bound: vcore_hours or gb_hours, soft or hard")
	case b.OnExceed == Stop && b.VCoreHours.Hard == 0 && b.GBHours.Hard == 0:
		return gateway.Invalid(field("on_exceed"), b.OnExceed, "needs a hard bound")
	}
	return nil
}

// maxHours bounds the numbers of a budget.
const maxHours = 1e9

// Matches reports whether the budget is for what has one of these names.
func (b *Budget) Matches(names ...string) bool { return matches(b.Match, names...) }

// matches reports whether one of the names is among patterns; none match all.
func matches(patterns []string, names ...string) bool {
	return len(patterns) == 0 || slices.ContainsFunc(patterns, func(p string) bool {
		return slices.ContainsFunc(names, func(name string) bool { return name != "" && like(p, name) })
	})
}

// like reports whether a text is like a pattern, in which * stands for any text.
func like(pattern, text string) bool {
	first, rest, star := strings.Cut(pattern, "*")
	text, ok := strings.CutPrefix(text, first)
	if !ok || !star {
		return ok && text == ""
	}
	for i := 0; i <= len(text); i++ {
		if like(rest, text[i:]) {
			return true
		}
	}
	return false
}

// Span is a period of time in which a budget is counted.
type Span struct {
	// Name is that of the sums in the store: 2026-11-26 or 2026-11.
	Name        string
	From, Until time.Time
}

// SpanOf returns the period that a time is in.
func SpanOf(period string, now time.Time) Span {
	now = now.UTC()
	if period == Day {
		from := time.Date(now.Year(), now.Month(), now.Day(), 0, 0, 0, 0, time.UTC)
		return Span{from.Format(time.DateOnly), from, from.AddDate(0, 0, 1)}
	}
	from := time.Date(now.Year(), now.Month(), 1, 0, 0, 0, 0, time.UTC)
	return Span{from.Format("2006-01"), from, from.AddDate(0, 1, 0)}
}

// Units of the store in an hour.
const (
	milliCPUHour = 1000 * 3600
	mbHour       = 1024 * 3600
)

// bound returns the soft or hard bounds in the units of the store.
func (b *Budget) bound(of func(Bounds) float64) store.Amount {
	return store.Amount{
		MilliCPUSeconds: int64(of(b.VCoreHours) * milliCPUHour), MBSeconds: int64(of(b.GBHours) * mbHour),
	}
}

func soft(b Bounds) float64 { return b.Soft }
func hard(b Bounds) float64 { return b.Hard }
