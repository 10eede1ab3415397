package sessions_test

import (
	"crypto/rand"
	"slices"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/sessions"
	"github.com/livygateway/livygateway/policies"
)

// TestExtras asks Redis once for each record, and not for those that were created here.
func TestExtras(t *testing.T) {
	f := newFixture(t)
	ignored := policies.Report{Ignored: []policies.Entry{{Key: "spark.a", Source: "spark-blacklist.conf:1"}}}
	for i, in := range []sessions.Intent{
		f.intent(livy.KindSession, func(in *sessions.Intent) { in.Policy, in.SparkUI = ignored, "/x/spark-ui/"+in.ID }),
		f.intent(livy.KindSession),
		f.intent(livy.KindSession, func(in *sessions.Intent) { in.SparkUI = "http://driver:4040" }),
	} {
		c, err := f.Begin(t.Context(), in)
		if err != nil {
			t.Fatal(err)
		}
		if err := c.Confirmed(t.Context(), f.g, int64(i), "idle", "", sessions.KeptReply{}); err != nil {
			t.Fatal(err)
		}
	}
	want := []string{"Livy Gateway ignored spark.a: spark-blacklist.conf, line 1"}
	check := func(what string, l *sessions.Ledger, commands int) {
		t.Helper()
		before := f.commands()
		all := l.Extras(t.Context(), "lc-1", livy.KindSession, 0, 1, 2)
		one := l.Extra(t.Context(), "lc-1", livy.KindSession, 0)
		if len(all) != 3 || one == nil || all[0] != one || !one.SparkUI || one.RecordID == "" || !slices.Equal(one.Lines, want) {
			t.Errorf("%s: %+v and %v", what, one, all)
		}
		for _, id := range []int64{1, 2} {
			if all[id] == nil || all[id].SparkUI || len(all[id].Lines) > 0 {
				t.Errorf("%s: %d has %+v", what, id, all[id])
			}
		}
		if n := f.commands() - before; n != commands {
			t.Errorf("%s: %d commands of Redis, want %d", what, n, commands)
		}
	}
	check("created here", f.Ledger, 0)
	now := f.now
	other := sessions.New(f.store, zap.NewNop(), func() time.Time { return now }, rand.Reader)
	f.fail("LOADING")
	if got := other.Extra(t.Context(), "lc-1", livy.KindSession, 0); got != nil {
		t.Errorf("without Redis: %+v", got)
	}
	f.fail("")
	if before := f.commands(); other.Extra(t.Context(), "lc-1", livy.KindSession, 0) != nil || f.commands() != before {
		t.Error("Redis is asked again at once")
	}
	now = now.Add(3 * time.Second)
	check("of another process", other, 2)
	check("of another process, again", other, 0)
	if got := other.Extra(t.Context(), "lc-1", livy.KindSession, 7); got != nil {
		t.Errorf("one that never was: %+v", got)
	}
}
