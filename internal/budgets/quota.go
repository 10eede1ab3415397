package budgets

import (
	"fmt"
	"strconv"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/policies"
)

// Quota bounds what each user may start, with all tokens together. Bounds that are 0 or empty
// hold nobody back.
type Quota struct {
	// The name of the quota, in replies.
	Name string `json:"name"`

	// The users that it holds for; `*` stands for any text. Default: all.
	Match []string `json:"match,omitempty"`

	// How many sessions, and how many batches, of a user may live at a time.
	MaxSessions int `json:"max_sessions,omitempty"`
	MaxBatches  int `json:"max_batches,omitempty"`

	// The largest driver of a session or batch, e.g. `8g` and 4 cores.
	DriverMemory string `json:"driver_memory,omitempty"`
	DriverCores  int    `json:"driver_cores,omitempty"`

	// The largest executor of a session or batch, and how many it may have. With dynamic
	// allocation, the most that it may grow to counts.
	ExecutorMemory string `json:"executor_memory,omitempty"`
	ExecutorCores  int    `json:"executor_cores,omitempty"`
	MaxExecutors   int    `json:"max_executors,omitempty"`
}

// Validate checks a quota.
func (q *Quota) Validate() error {
	field := func(name string) string { return fmt.Sprintf("quota %s: %s", q.Name, name) }
	given := false
	for _, n := range []struct {
		name  string
		value int
	}{
		{"max_sessions", q.MaxSessions},
		{"max_batches", q.MaxBatches},
		{"driver_cores", q.DriverCores},
		{"executor_cores", q.ExecutorCores},
		{"max_executors", q.MaxExecutors},
	} {
		if n.value < 0 {
			return gateway.Invalid(field(n.name), strconv.Itoa(n.value), "must not be negative")
		}
		given = given || n.value > 0
	}
	for name, text := range map[string]string{"driver_memory": q.DriverMemory, "executor_memory": q.ExecutorMemory} {
		if text == "" {
			continue
		}
		if n, ok := policies.ParseMemory(text); !ok || n <= 0 {
			return gateway.Invalid(field(name), text, "must be a size such as 8g or 512m")
		}
		given = true
	}
	if !given {
		return gateway.Invalid(field("max_sessions"), "", "a quota needs a bound")
	}
	return nil
}

// check returns an error if a create is larger than the quota allows.
func (q *Quota) check(e *policies.Effective) error {
	over := func(field, value, most string) error {
		return gateway.Invalid(field, value, fmt.Sprintf("must be at most %s, by the quota %s", most, q.Name))
	}
	for _, n := range []struct {
		field       string
		given, most int
	}{
		{"driverCores", e.DriverCores, q.DriverCores},
		{"executorCores", e.ExecutorCores, q.ExecutorCores},
		{"numExecutors", e.MostExecutors, q.MaxExecutors},
	} {
		if n.most > 0 && n.given > n.most {
			return over(n.field, strconv.Itoa(n.given), strconv.Itoa(n.most))
		}
	}
	for _, n := range []struct {
		field, text string
		given       int64
		most        string
	}{
		{"driverMemory", e.DriverMemory, e.DriverMemoryBytes(), q.DriverMemory},
		{"executorMemory", e.ExecutorMemory, e.ExecutorMemoryBytes(), q.ExecutorMemory},
	} {
		if most, _ := policies.ParseMemory(n.most); most > 0 && n.given > most {
			return over(n.field, n.text, n.most)
		}
	}
	return nil
}
