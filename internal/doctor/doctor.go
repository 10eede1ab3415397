// Package doctor is the words in which parts of the gateway say whether they
// find what they need, and what to do where they do not. Each part examines its
// own surroundings: the store Redis, a runtime its Docker engine, and so on.
package doctor

import (
	"context"
	"fmt"
	"time"
)

// Status is how a check went.
type Status string

// The three of them. A warning is what works now and may not at a bad time.
const (
	OK   Status = "ok"
	Warn Status = "warn"
	Fail Status = "fail"
)

// Result is what one check found.
type Result struct {
	// Check is what was looked at, in a word or two, e.g. "redis memory".
	Check string `json:"check"`
	// Status is ok, warn or fail.
	Status Status `json:"status"`
	// Summary is what was found. It holds no secrets.
	Summary string `json:"summary"`
	// Mend is how to set it right; empty when all is well.
	Mend string `json:"mend,omitempty"`
}

// Good is a result without anything to mend.
func Good(check, format string, args ...any) Result {
	return Result{Check: check, Status: OK, Summary: fmt.Sprintf(format, args...)}
}

// Warning is a result of what may go wrong.
func Warning(check, summary, mend string) Result {
	return Result{Check: check, Status: Warn, Summary: summary, Mend: mend}
}

// Failure is a result of what does not work.
func Failure(check, summary, mend string) Result {
	return Result{Check: check, Status: Fail, Summary: summary, Mend: mend}
}

// Check looks at one thing, or at several that belong together.
type Check func(context.Context) []Result

// Report is what all checks found.
type Report struct {
	OK      int      `json:"ok"`
	Warned  int      `json:"warned"`
	Failed  int      `json:"failed"`
	Results []Result `json:"results"`
}

// patience is how long one check may take.
const patience = 15 * time.Second

// Run makes the checks, all at the same time; their results are in the order of
// the checks. What does not come back in time is a failure.
func Run(ctx context.Context, checks ...Check) Report {
	ctx, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	found := make([]chan []Result, len(checks))
	for i, check := range checks {
		found[i] = make(chan []Result, 1)
		go func() { found[i] <- check(ctx) }()
	}
	r := Report{Results: []Result{}}
	for i := range checks {
		r.add(await(ctx, found[i])...)
	}
	return r
}

func await(ctx context.Context, found <-chan []Result) []Result {
	select {
	case results := <-found:
		return results
	case <-ctx.Done():
	}
	select { // it may have come at the last moment
	case results := <-found:
		return results
	case <-time.After(time.Second):
		return []Result{Failure("doctor", "a check did not end within "+patience.String(), "see Caddy's log, and try again")}
	}
}

func (r *Report) add(results ...Result) {
	for _, res := range results {
		switch res.Status {
		case OK:
			r.OK++
		case Warn:
			r.Warned++
		default:
			r.Failed++
		}
		r.Results = append(r.Results, res)
	}
}
