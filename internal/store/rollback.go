package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/livygateway/livygateway/internal/doctor"
)

// rollbackTolerance is the loss up to which Redis does not count as rolled back: an
// append-only file synced every second, or a failover, can lose this much.
const rollbackTolerance = 5 * time.Second

// RestoredSkip is the number of public ids that are skipped after a rollback of Redis, so
// that no id is issued twice.
const RestoredSkip = 1_000_000

// Checkpoint is an instance's knowledge of Redis's progress, in milliseconds of Redis's
// clock. It serves to detect that Redis was rolled back: restarted from an old dump, taken
// over by a replica that was far behind, or emptied. The zero Checkpoint holds no
// knowledge.
type Checkpoint struct {
	// Clock is the latest time at which any instance claimed leases. It never decreases
	// without a rollback, even if the clock of Redis's machine is set back.
	Clock int64 `json:"clock"`
	// Rollback is when the last rollback was detected, 0 for never.
	Rollback int64 `json:"rewound,omitempty"`
}

// RolledBack reports whether Redis was rolled back between this checkpoint and a later one.
func (c Checkpoint) RolledBack(after Checkpoint) bool {
	return c.Clock != 0 && c.Rollback != after.Rollback
}

// Rollback describes a rollback of Redis.
type Rollback struct {
	// Noticed is when the rollback was detected.
	Noticed time.Time
	// From is the latest time known before the rollback, To the time that Redis was
	// rolled back to; a zero To means that Redis was empty.
	From, To time.Time
}

// LastRollback returns the last rollback of Redis that was detected, or nil.
func (s *Store) LastRollback(ctx context.Context) (*Rollback, error) {
	all, err := s.rdb.HGetAll(ctx, s.key("clock")).Result()
	if err != nil {
		return nil, wrap("reading the last rollback of Redis", err)
	}
	noticed := msTime(all["rewound"])
	if noticed.IsZero() {
		return nil, nil
	}
	return &Rollback{Noticed: noticed, From: msTime(all["from"]), To: msTime(all["to"])}, nil
}

func msTime(text string) time.Time {
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil || ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// String describes what was lost.
func (r *Rollback) String() string {
	const seconds = "2006-01-02T15:04:05Z07:00"
	if r.To.IsZero() {
		return fmt.Sprintf("Redis lost all data: it was found empty at %s", r.Noticed.Format(seconds))
	}
	return fmt.Sprintf("Redis was rolled back: data written from %s to %s is lost (detected at %s)",
		r.To.Format(seconds), r.From.Format(seconds), r.Noticed.Format(seconds))
}

// rollbackWarningPeriod is how long the doctor warns of a rollback.
const rollbackWarningPeriod = 7 * 24 * time.Hour

// examineRollback warns of a rollback for a week: tokens whose revocation was lost are
// valid again, and Redis does not show which ones.
func (s *Store) examineRollback(ctx context.Context) []doctor.Result {
	if s.marked.Load() && errors.Is(s.checkMark(ctx, "examining Redis"), ErrEmptied) {
		return []doctor.Result{doctor.Failure("redis history", "Redis is empty now and was not before: it is treated as being away, and requests are answered 503",
			"restore a backup (docs/operations.md), or restart all instances of Caddy to begin with an empty Redis")}
	}
	r, err := s.LastRollback(ctx)
	if err != nil || r == nil || time.Since(r.Noticed) > rollbackWarningPeriod {
		return nil
	}
	return []doctor.Result{doctor.Warning("redis history", r.String(),
		`tokens revoked in that period are valid again: search the logs of all instances for "token revoked" and `+
			`revoke those tokens again; see docs/operations.md. This warning is shown for a week`)}
}
