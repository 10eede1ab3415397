package api

import (
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/store/storetest"
	"github.com/livygateway/livygateway/internal/tokens"
)

// TestSlowFactsAreReadAhead gives callers the old facts while the next ones are read, but
// none that are too old.
func TestSlowFactsAreReadAhead(t *testing.T) {
	st, mini := storetest.Mini(t)
	s := &Server{Store: st, Tokens: tokens.New(st, tokens.Options{}, zap.NewNop())}
	ids := []string{"lc-a"}
	used := func(cores string) {
		mini.HSet("livygw:usage:lc-a", time.Now().UTC().Format(time.DateOnly)+" lctk-x c", cores)
	}
	o := &overviews{facts: new(overviewFacts)}
	begun := time.Now()
	seen := func(after time.Duration) int64 {
		t.Helper()
		f, err := o.slow(t.Context(), s, ids, begun.Add(after))
		if err != nil {
			t.Fatal(err)
		}
		o.facts = &overviewFacts{slowFacts: f}
		if len(f.usage["lc-a"]) == 0 {
			return 0
		}
		return f.usage["lc-a"][0].MilliCPUSeconds
	}
	used("1")
	if got := seen(0); got != 1 {
		t.Fatalf("the first reading has %d", got)
	}
	used("2")
	if got := seen(slowFactsDue - time.Second); got != 1 || o.ahead != nil {
		t.Errorf("read again before it is due: %d", got)
	}
	if got := seen(slowFactsDue + time.Second); got != 1 || o.ahead == nil {
		t.Fatalf("not read ahead: %d", got)
	}
	read := <-o.ahead
	if read.err != nil {
		t.Fatal(read.err)
	}
	o.ahead <- read
	if got := seen(slowFactsDue + 2*time.Second); got != 2 || o.ahead != nil {
		t.Errorf("what was read ahead is not used: %d", got)
	}
	used("3")
	if got := seen(2 * slowFactsLife); got != 3 {
		t.Errorf("too old ones are used: %d", got)
	}
}
