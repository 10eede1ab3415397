package warm

import (
	"encoding/json"
	"slices"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/policies"
)

// Bounds of what is learned from the records of a gateway.
const (
	// LearnDays is the age of the oldest records that count.
	LearnDays = 7
	// MinCreates is the number of creates from which on a shape counts.
	MinCreates = 3
	// maxAsked bounds the shapes that are compared with each other.
	maxAsked = 100
)

// Asked is what a number of creates asked for.
type Asked struct {
	// Warm is what they asked for, without a number of sessions.
	Warm gateway.Warm
	// Shape is set once the policy was applied to it.
	Shape string
	// ProxyUser is the user of the sessions that were created.
	ProxyUser string
	Queue     string
	Creates   int
	// Weight is higher for newer creates: 7 for each of the last day, 1 for each of a week ago.
	Weight int
}

// Demand counts the creates of sessions in records that differ from each other, the most frequent
// ones first.
func Demand(records []*store.Record, now time.Time) []Asked {
	at := make(map[string]int)
	var all []Asked
	for _, r := range records {
		days := int(now.Sub(r.Created) / (24 * time.Hour))
		if r.Kind != "session" || r.TokenID == "" || days >= LearnDays {
			continue
		}
		w, ok := policies.Asked(r.Resources, r.Policy)
		if !ok {
			continue
		}
		var ruled struct{ ProxyUser, Queue string }
		_ = json.Unmarshal(r.Resources, &ruled) // it was read above
		key, err := json.Marshal([]any{w, ruled})
		if err != nil {
			continue
		}
		i, known := at[string(key)]
		if !known {
			i = len(all)
			at[string(key)] = i
			all = append(all, Asked{Warm: w, ProxyUser: ruled.ProxyUser, Queue: ruled.Queue})
		}
		all[i].add(1, LearnDays-max(0, days))
	}
	byWeight(all)
	return all[:min(len(all), maxAsked)]
}

func (a *Asked) add(creates, weight int) {
	a.Creates += creates
	a.Weight += weight
}

// byWeight leaves those of the same weight in their order.
func byWeight(all []Asked) {
	slices.SortStableFunc(all, func(a, b Asked) int { return b.Weight - a.Weight })
}

// Learn divides n sessions among the shapes that creates asked for: each session goes to the shape
// with the most weight for each session that it would have. Shapes that are not set or are in
// others do not count.
func Learn(n int, asked []Asked, others map[string]bool) []gateway.Warm {
	at := make(map[string]int)
	var shapes []Asked
	for i := range asked {
		a := &asked[i]
		if a.Shape == "" || others[a.Shape] {
			continue
		}
		if j, known := at[a.Shape]; known {
			shapes[j].add(a.Creates, a.Weight)
			continue
		}
		at[a.Shape] = len(shapes)
		shapes = append(shapes, *a)
	}
	shapes = slices.DeleteFunc(shapes, func(a Asked) bool { return a.Creates < MinCreates })
	byWeight(shapes)
	if len(shapes) == 0 {
		return nil
	}
	for range n {
		best := 0
		for i := range shapes {
			// weight / (count + 1), without fractions
			if shapes[i].Weight*(shapes[best].Warm.Count+1) > shapes[best].Weight*(shapes[i].Warm.Count+1) {
				best = i
			}
		}
		shapes[best].Warm.Count++
	}
	var learned []gateway.Warm
	for i := range shapes {
		if shapes[i].Warm.Count > 0 {
			learned = append(learned, shapes[i].Warm)
		}
	}
	return learned
}
