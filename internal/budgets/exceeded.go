package budgets

import (
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
)

// The resources of budgets, as in the configuration.
const (
	VCoreHours = "vcore_hours"
	GBHours    = "gb_hours"
)

// ExceededError is the error of a create that would exceed a hard bound.
type ExceededError struct {
	Budget, Per, Period, Resource string
	// Used is what is used and reserved, with the create; it and Limit are in hours.
	Used, Limit float64
	// Reset is when the next period begins, and Wait the time until then.
	Reset time.Time
	Wait  time.Duration
}

// Error returns a sentence with field, value and rule.
func (e *ExceededError) Error() string { return e.domain().Error() }

// Unwrap makes it an error of KindLimited.
func (e *ExceededError) Unwrap() error { return e.domain() }

func (e *ExceededError) domain() *gateway.Error {
	return &gateway.Error{
		Kind: gateway.KindLimited, Field: e.Resource, Value: hours(e.Used),
		Rule: fmt.Sprintf("the budget %s allows each %s %s %s a %s; what was used and what runs, with this create, is more: "+
			"wait until %s, or ask the operator for a larger budget",
			e.Budget, e.Per, hours(e.Limit), strings.ReplaceAll(e.Resource, "_", "-"), e.Period, e.Reset.Format(time.RFC3339)),
	}
}

// exceeded returns the error for clients.
func (s *Service) exceeded(over *store.BudgetError) error {
	now := s.Now()
	e := &ExceededError{Budget: over.Budget, Per: over.Per, Period: periodOf(over.Period)}
	span := SpanOf(e.Period, over.From)
	e.Reset, e.Wait = span.Until, max(time.Second, span.Until.Sub(now))
	e.Resource, e.Used, e.Limit = inHours(over.Memory, over.Used, over.Hard)
	return e
}

// periodOf returns the period of the name of a span.
func periodOf(name string) string {
	if len(name) == len("2006-01") {
		return Month
	}
	return Day
}

// inHours returns a resource's name, and an amount used and a bound in hours.
func inHours(memory bool, used int64, bound store.Amount) (resource string, usedHours, boundHours float64) {
	if memory {
		return GBHours, float64(used) / mbHour, float64(bound.MBSeconds) / mbHour
	}
	return VCoreHours, float64(used) / milliCPUHour, float64(bound.MilliCPUSeconds) / milliCPUHour
}

// hours shows an amount with at most three decimals.
func hours(n float64) string {
	return strings.TrimRight(strings.TrimRight(strconv.FormatFloat(n, 'f', 3, 64), "0"), ".")
}

// header returns the header X-Livy-Gateway-Budget for bounds that are reached: a list of
// structured fields (RFC 9651).
func (s *Service) header(reached []store.Reached) string {
	items := make([]string, len(reached))
	for i := range reached {
		r := &reached[i]
		resource, used, bound := inHours(r.Memory, r.Used, r.Soft)
		period := periodOf(r.Period)
		items[i] = fmt.Sprintf("%q;per=%s;period=%s;resource=%s;used=%s;soft=%s", r.Budget, r.Per, period, resource, hours(used), hours(bound))
		if _, _, hard := inHours(r.Memory, 0, r.Hard); hard > 0 {
			items[i] += ";hard=" + hours(hard)
		}
		items[i] += fmt.Sprintf(";reset=%q", SpanOf(period, r.From).Until.Format(time.RFC3339))
	}
	return strings.Join(items, ", ")
}
