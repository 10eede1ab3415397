package cli

import (
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/api"
)

func TestServerLines(t *testing.T) {
	at := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	lines := serverLines([]api.LivyServer{
		{Number: 2, State: "primary", Since: at, Engine: "spark-3.5", Live: &api.LiveCounts{Sessions: 1}},
		{Number: 1, State: "draining", Since: at, Engine: "spark-3.4", Live: &api.LiveCounts{Sessions: 2, Batches: 1}, DrainUntil: at.Add(2 * time.Hour)},
		{Number: 3, State: "ending", Since: at, Reason: "the server was drained"},
	})
	want := []string{
		"2 primary since 2026-01-31T12:00:00Z, engine spark-3.5, 1 session, 0 batches",
		"1 draining since 2026-01-31T12:00:00Z, engine spark-3.4, 2 sessions, 1 batch, at most until 2026-01-31T14:00:00Z",
		"3 ending since 2026-01-31T12:00:00Z: the server was drained",
	}
	if got := strings.Join(lines, "\n"); got != strings.Join(want, "\n") {
		t.Errorf("lines:\n%s", got)
	}
}
