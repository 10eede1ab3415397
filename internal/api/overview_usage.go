package api

import (
	"cmp"
	"context"
	"maps"
	"slices"
	"sync"
	"time"

	"github.com/livygateway/livygateway/internal/access"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/tokens"
)

// DayUsage is what was used, begun and refused on one day.
type DayUsage struct {
	// Day is YYYY-MM-DD in UTC.
	Day string `json:"day"`
	// VCoreHours and GBHours are cores and GiB times hours; what lives counts up to now.
	VCoreHours float64 `json:"vcoreHours"`
	GBHours    float64 `json:"gbHours"`
	// Creates is how many sessions and batches were created, of those that are still on
	// record.
	Creates int64 `json:"creates"`
	// Refused is how many requests to gateways and to the management API were refused,
	// according to the audit log. Only those who may read the audit log get it.
	Refused *int64 `json:"refused,omitempty"`
}

// TokenUsage is what the sessions and batches of one token used in the days of Usage.
type TokenUsage struct {
	Place
	// TokenID is empty for what was started at Livy itself.
	TokenID string `json:"tokenId,omitempty"`
	// Name is empty if there is no such token any more.
	Name       string  `json:"name,omitempty"`
	VCoreHours float64 `json:"vcoreHours"`
	GBHours    float64 `json:"gbHours"`
}

// UserUsage is what the sessions and batches of one user's tokens used in the days of
// Usage.
type UserUsage struct {
	// User owns the tokens. A token without an owner counts for the user that its jobs
	// run as or, without one, for whoever created it. User is empty for tokens that are
	// gone and for what was started at Livy itself.
	User       string  `json:"user,omitempty"`
	VCoreHours float64 `json:"vcoreHours"`
	GBHours    float64 `json:"gbHours"`
}

// maxUsers is how many tokens and users an overview lists.
const maxUsers = 10

// tokenLabel is what an overview says of a token.
type tokenLabel struct{ name, user string }

func labelOf(t *tokens.Token) tokenLabel {
	return tokenLabel{t.Name, t.User()}
}

// eachUsage calls add for the usage of all records that the caller sees, by day.
func (v *overviewOf) eachUsage(add func(gatewayID string, u store.Usage)) {
	for id, rows := range v.facts.usage {
		for _, u := range rows {
			if v.shows(id, u.TokenID) {
				add(id, u)
			}
		}
	}
	now := time.Now()
	for id, records := range v.facts.living {
		for _, r := range records {
			if !v.shows(id, r.TokenID) {
				continue
			}
			for _, u := range r.UsageByDay(now) {
				add(id, u)
			}
		}
	}
}

// usage fills in what was used by day, by token and by user.
func (v *overviewOf) usage(o *Overview) error {
	o.Usage = make([]DayUsage, len(v.facts.days))
	place := make(map[string]*DayUsage, len(o.Usage))
	for i, day := range v.facts.days {
		o.Usage[i].Day = day.Format(time.DateOnly)
		place[o.Usage[i].Day] = &o.Usage[i]
	}
	type source struct{ gatewayID, tokenID string }
	byToken, byUser := make(map[source]*TokenUsage), make(map[string]*UserUsage)
	v.eachUsage(func(gatewayID string, u store.Usage) {
		day := place[u.Day]
		if day == nil {
			return
		}
		vcore, gb := float64(u.MilliCPUSeconds)/milliCPUHours, float64(u.MBSeconds)/mbHours
		day.VCoreHours += vcore
		day.GBHours += gb
		label := v.facts.labels[u.TokenID]
		from := source{gatewayID, u.TokenID}
		if byToken[from] == nil {
			g := v.gateways[gatewayID]
			byToken[from] = &TokenUsage{Place: Place{g.Workspace, g.Spec.Name}, TokenID: u.TokenID, Name: label.name}
		}
		byToken[from].VCoreHours += vcore
		byToken[from].GBHours += gb
		if byUser[label.user] == nil {
			byUser[label.user] = &UserUsage{User: label.user}
		}
		byUser[label.user].VCoreHours += vcore
		byUser[label.user].GBHours += gb
	})
	o.Tokens = most(byToken, func(a, b *TokenUsage) int {
		return cmp.Or(-cmp.Compare(a.VCoreHours, b.VCoreHours), cmp.Compare(a.Workspace, b.Workspace),
			cmp.Compare(a.Gateway, b.Gateway), cmp.Compare(a.TokenID, b.TokenID))
	})
	o.Users = most(byUser, func(a, b *UserUsage) int {
		return cmp.Or(-cmp.Compare(a.VCoreHours, b.VCoreHours), cmp.Compare(a.User, b.User))
	})
	v.refusals(o.Usage)
	return v.creates(o.Usage)
}

// most returns the first items of a map by an order.
func most[K comparable, T any](all map[K]*T, order func(a, b *T) int) []T {
	list := make([]*T, 0, len(all))
	for _, item := range all {
		list = append(list, item)
	}
	slices.SortFunc(list, order)
	list = list[:min(maxUsers, len(list))]
	items := make([]T, len(list))
	for i, item := range list {
		items[i] = *item
	}
	return items
}

// refusals counts refused requests, for those who may read the audit log of a workspace.
func (v *overviewOf) refusals(days []DayUsage) {
	if v.facts.refused == nil {
		return
	}
	reads := func(workspace string) bool { return v.rights.Reach(operator, workspace) == access.All }
	everywhere := reads(access.Everywhere)
	may := everywhere
	total := make([]int64, len(days))
	add := func(gatewayID string) {
		for i := range days {
			total[i] += v.facts.refused[gatewayID][days[i].Day]
		}
	}
	for id, g := range v.gateways {
		if everywhere || reads(g.Workspace) {
			may = true
			add(id)
		}
	}
	if everywhere {
		add("") // about no gateway, or more than the log lists one by one
	}
	if may {
		for i := range days {
			days[i].Refused = &total[i]
		}
	}
}

// refusalCounter counts the refused requests of the audit log by gateway and day. It reads
// each entry once.
type refusalCounter struct {
	mu       sync.Mutex
	last     string // the id of the last entry that was read
	byDay    map[string]map[string]int64
	complete bool // it has once read up to the end
}

// refusalsTimeout bounds one reading. What is missing is read the next time.
const refusalsTimeout = time.Second

// read returns the counts since a day, or nil if they are not complete yet.
func (r *refusalCounter) read(ctx context.Context, s *store.Store, from time.Time) map[string]map[string]int64 {
	ctx, cancel := context.WithTimeout(ctx, refusalsTimeout)
	defer cancel()
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.byDay == nil {
		r.byDay = make(map[string]map[string]int64)
	}
	first := from.Format(time.DateOnly)
	for _, days := range r.byDay {
		maps.DeleteFunc(days, func(day string, _ int64) bool { return day < first })
	}
	err := s.EachRefusal(ctx, r.last, from, func(id string, e *store.AuditEntry) {
		r.last = id
		if e == nil || e.Time.Before(from) {
			return
		}
		if r.byDay[e.GatewayID] == nil {
			r.byDay[e.GatewayID] = make(map[string]int64)
		}
		r.byDay[e.GatewayID][e.Time.Format(time.DateOnly)] += max(1, e.Count)
	})
	r.complete = r.complete || err == nil
	if !r.complete {
		return nil
	}
	counts := make(map[string]map[string]int64, len(r.byDay))
	for id, days := range r.byDay {
		counts[id] = maps.Clone(days)
	}
	return counts
}
