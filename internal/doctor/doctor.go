// Package doctor defines the results of the checks of an installation. Each part of the
// gateway checks its own environment: the store checks Redis, a runtime its Docker engine,
// and so on.
package doctor

import (
	"context"
	"fmt"
	"time"
)

// Status is the outcome of a check.
type Status string

// The statuses. A warning is for something that works now but may fail later.
const (
	OK   Status = "ok"
	Warn Status = "warn"
	Fail Status = "fail"
)

// Result is the result of one check.
type Result struct {
	// Check is what was checked, in a word or two, e.g. "redis memory".
	Check string `json:"check"`
	// Status is ok, warn or fail.
	Status Status `json:"status"`
	// Summary describes the result. It contains no secrets.
	Summary string `json:"summary"`
	// Mend describes how to fix the problem; empty if there is none.
	Mend string `json:"mend,omitempty"`
}

// Good returns a result without a problem.
func Good(check, format string, args ...any) Result {
	return Result{Check: check, Status: OK, Summary: fmt.Sprintf(format, args...)}
}

// Warning returns a result for something that may fail later.
func Warning(check, summary, mend string) Result {
	return Result{Check: check, Status: Warn, Summary: summary, Mend: mend}
}

// Failure returns a result for something that does not work.
func Failure(check, summary, mend string) Result {
	return Result{Check: check, Status: Fail, Summary: summary, Mend: mend}
}

// Check performs one check, or several related ones.
type Check func(context.Context) []Result

// Report holds the results of all checks.
type Report struct {
	OK      int      `json:"ok"`
	Warned  int      `json:"warned"`
	Failed  int      `json:"failed"`
	Results []Result `json:"results"`
}

// checkTimeout bounds one check.
const checkTimeout = 15 * time.Second

// Run runs the checks in parallel and returns their results in the order of the checks. A
// check that does not end in time is a failure.
func Run(ctx context.Context, checks ...Check) Report {
	ctx, cancel := context.WithTimeout(ctx, checkTimeout)
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
	select { // it may have ended at the last moment
	case results := <-found:
		return results
	case <-time.After(time.Second):
		return []Result{Failure("doctor", "a check did not end within "+checkTimeout.String(),
			"check Caddy's log and try again")}
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
