package sessions

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/store"
)

// skippedIDs is the number of public ids that are skipped when a Livy server ends while
// creates are in progress: clients may have received ids that the ledger does not know.
const skippedIDs = 1000

// ServerEnded closes the live records of a gateway whose Livy server has ended, except for those
// of other servers of the gateway.
func (l *Ledger) ServerEnded(ctx context.Context, f store.Fence, g *gateway.Gateway, reason string) error {
	if err := l.flush(ctx); err != nil {
		return err
	}
	if err := l.dropWarm(ctx, f, g); err != nil {
		return err
	}
	for {
		all, err := l.store.LiveRecords(ctx, g.ID)
		if err != nil {
			return err
		}
		live := slices.DeleteFunc(slices.Clone(all), func(r *store.Record) bool { return onAnother(g, r) })
		now := l.now().UTC()
		unsure := false
		for _, r := range live {
			if r.Confirmed() {
				l.end(r, "dead", reason, now)
			} else {
				unsure = true
				l.end(r, "dead", reason+" before it confirmed this create", now)
			}
		}
		if unsure {
			if _, _, err := l.store.SkipIDs(ctx, f, g.ID, skippedIDs); err != nil {
				return err
			}
		}
		if err := l.store.SaveRecords(ctx, f, g.ID, live...); !isChanged(err) {
			if len(g.Status.Servers) == 0 {
				l.forgetLive(g.ID)
			} else {
				l.noteLive(g.ID, all) // those of the other servers are left
			}
			return err
		}
	}
}

// Reasons for what ended without anybody having asked the gateway for it.
const (
	reasonFailed = "the driver failed, or was killed outside of the gateway"
	reasonKilled = "killed outside of the gateway"
)

// Lost reports whether a session or batch is gone without anybody having ended it, and without
// Livy saying how it ended: its Livy server ended by itself, or no longer knows it.
func Lost(r *store.Record) bool {
	return !r.Live() && (r.State == StateGone || r.State == "dead" && lostWithServer(r.Reason))
}

// Reasons for what ended since its Livy server ended without an order.
const (
	ReasonServerEnded  = "the Livy server ended unexpectedly"
	ReasonServerSilent = "the Livy server stopped answering and was restarted"
)

func lostWithServer(reason string) bool {
	return strings.HasPrefix(reason, ReasonServerEnded) || strings.HasPrefix(reason, ReasonServerSilent)
}

// endedByItself reports whether Livy said that a session or batch has ended, and still listed it.
func endedByItself(r *store.Record) bool {
	return livy.Finished(r.State) && (r.Reason == "" || r.Reason == reasonFailed || r.Reason == reasonKilled || byDriver(r.Reason))
}

// reasonOf returns the reason for an end that Livy reports in a final state.
func reasonOf(state string) string {
	switch state {
	case "success":
		return ""
	case "killed":
		return reasonKilled
	}
	return reasonFailed
}

// deleteTime is the longest time that Livy lists what it is deleting as killed.
const deleteTime = 30 * time.Second

// Deleted closes the record of a session or batch that was deleted. by identifies who
// deleted it, e.g. "token lctk-...".
func (l *Ledger) Deleted(ctx context.Context, g *gateway.Gateway, kind livy.Kind, publicID int64, by string) {
	l.Stopped(ctx, g, kind, publicID, "deleted by "+by)
}

// Stopped closes the record of a session or batch that a client ended, for a reason such as
// "interrupted by token lctk-...".
func (l *Ledger) Stopped(ctx context.Context, g *gateway.Gateway, kind livy.Kind, publicID int64, reason string) {
	at := l.now().UTC()
	l.names.forget(g.ID)
	l.write(ctx, g.ID, key(kind, publicID), func(ctx context.Context) error {
		err := l.change(ctx, g.ID,
			func(ctx context.Context) (*store.Record, error) {
				return l.store.Record(ctx, g.ID, string(kind), publicID)
			},
			func(r *store.Record) bool {
				// A poll may have seen the end before the client had its reply.
				seen := r.State == "killed" && r.Reason == reasonKilled && at.Sub(r.Ended) < deleteTime
				if seen {
					r.Reason = reason
					return true
				}
				if !r.Live() {
					return false
				}
				l.end(r, "killed", reason, at)
				return true
			})
		if gateway.KindOf(err) == gateway.KindNotFound {
			return nil
		}
		return err
	})
}

// EndedError is the KindNotFound error for clients that ask for an ended session or batch. Its
// text begins with Livy's own sentence, which clients look for (Zeppelin makes a new
// session then), and goes on with what became of it.
type EndedError struct {
	record *store.Record
}

// Error returns Livy's sentence and the story.
func (e *EndedError) Error() string { return e.Sentence() + " " + e.Story() }

// Unwrap makes it an error of KindNotFound.
func (e *EndedError) Unwrap() error { return gateway.Errorf(gateway.KindNotFound, "%s", e.Error()) }

// Sentence is what Livy says.
func (e *EndedError) Sentence() string { return noSuchID(e.record.PublicID) }

// Story is how and when it ended, in a sentence.
func (e *EndedError) Story() string {
	r := e.record
	if r.Live() {
		return "Livy no longer knows it."
	}
	how := r.State
	if r.Reason != "" {
		how += ": " + r.Reason
	}
	return fmt.Sprintf("This %s ended at %s (%s); its record is %s.", r.Kind, r.Ended.UTC().Format(time.RFC3339), how, r.ID)
}

// EndedError is the *EndedError of a session or batch.
func (l *Ledger) EndedError(ctx context.Context, gatewayID string, kind livy.Kind, publicID int64) error {
	k := publicKey{gatewayID, kind, publicID}
	if told, ok := l.ends.Get(k); ok {
		return told
	}
	r, err := l.store.Record(ctx, gatewayID, string(kind), publicID)
	switch {
	case gateway.KindOf(err) == gateway.KindNotFound:
		return NoSuchID(publicID)
	case err != nil:
		return err
	}
	told := &EndedError{record: r}
	if r.Live() {
		return told
	}
	l.ends.Add(k, told.kept()) // an end is for good
	return told
}

// SetRetention sets how long records are kept after their creation, at least MinRetention,
// and returns the previous value. Live records and usage sums are kept in any case.
func (l *Ledger) SetRetention(d time.Duration) (before time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before, l.retention = l.retention, max(d, MinRetention)
	return before
}

// trimInterval is the pause between two trims, trimAtOnce the number of records that one
// step removes.
const (
	trimInterval = time.Minute
	trimAtOnce   = 500
)

// Trim removes a gateway's records and statements that are older than the retention, at most
// once a minute. Poll calls it too.
func (l *Ledger) Trim(ctx context.Context, f store.Fence, gatewayID string) error {
	now := l.now()
	l.mu.Lock()
	last, before := l.trimmed[gatewayID], now.Add(-l.retention)
	l.mu.Unlock()
	if now.Sub(last) < trimInterval {
		return nil
	}
	total := 0
	for offset := int64(0); ; {
		old, err := l.store.OldestRecords(ctx, gatewayID, before, offset, trimAtOnce)
		if err != nil {
			return fmt.Errorf("trimming records: %w", err)
		}
		if len(old) == 0 {
			break
		}
		n, err := l.store.DropRecords(ctx, f, gatewayID, old...)
		if err != nil {
			return fmt.Errorf("trimming records: %w", err)
		}
		total += n
		offset += int64(len(old) - n) // skip the live ones
		if total >= 20*trimAtOnce {
			break // the rest is left to the next trim
		}
	}
	for range 20 {
		n, err := l.store.DropStatements(ctx, f, gatewayID, before, trimAtOnce)
		if err != nil {
			return err
		}
		if n < trimAtOnce {
			break
		}
	}
	l.mu.Lock()
	l.trimmed[gatewayID] = now
	l.mu.Unlock()
	if total > 0 {
		l.logger.Info("removed old records", zap.String("gateway", gatewayID), zap.Int("records", total))
	}
	return nil
}
