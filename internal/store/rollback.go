package store

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/livygateway/livygateway/internal/doctor"
)

// rewindTolerance is how much Redis may lose without its being said: what an
// append-only file loses that is written every second, or a failover.
const rewindTolerance = 5 * time.Second

// RestoredSkip is how many public ids are left out when Redis has forgotten which
// were given out.
const RestoredSkip = 1_000_000

// Mark is what an instance keeps in mind of Redis, in milliseconds of Redis's clock,
// to notice when Redis goes back in time: when it is started on an old dump, when a
// replica takes over that was far behind, when it was emptied. The zero Mark knows
// nothing.
type Mark struct {
	// Clock is the latest time at which any instance claimed leases. It never goes
	// back by itself, whatever becomes of the clock of Redis's machine.
	Clock int64 `json:"clock"`
	// Rewound is when Redis was last found to have gone back, 0 for never.
	Rewound int64 `json:"rewound,omitempty"`
}

// WentBack reports whether Redis went back in time between this Mark and the one after it.
func (m Mark) WentBack(after Mark) bool { return m.Clock != 0 && m.Rewound != after.Rewound }

// Rewind is a time that Redis lost.
type Rewind struct {
	// Noticed is when it was noticed.
	Noticed time.Time
	// From is up to when Redis had come before, To to when it went back; a zero To
	// says that it was empty.
	From, To time.Time
}

// Rewound returns what Redis lost when it last went back in time, as far as it was
// noticed; nil if it never was.
func (s *Store) Rewound(ctx context.Context) (*Rewind, error) {
	all, err := s.rdb.HGetAll(ctx, s.key("clock")).Result()
	if err != nil {
		return nil, wrap("reading when Redis went back in time", err)
	}
	noticed := msTime(all["rewound"])
	if noticed.IsZero() {
		return nil, nil
	}
	return &Rewind{Noticed: noticed, From: msTime(all["from"]), To: msTime(all["to"])}, nil
}

func msTime(text string) time.Time {
	ms, err := strconv.ParseInt(text, 10, 64)
	if err != nil || ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}

// String says what was lost.
func (r *Rewind) String() string {
	const seconds = "2006-01-02T15:04:05Z07:00"
	if r.To.IsZero() {
		return fmt.Sprintf("Redis lost everything: it was found empty at %s", r.Noticed.Format(seconds))
	}
	return fmt.Sprintf("Redis went back in time: what was written from %s to %s is lost, which was noticed at %s",
		r.To.Format(seconds), r.From.Format(seconds), r.Noticed.Format(seconds))
}

// rewindShown is for how long a lost time is pointed out.
const rewindShown = 7 * 24 * time.Hour

// examineRewind tells of a lost time for a week. Tokens whose revocation was lost
// are good again, and nothing in Redis tells which they are.
func (s *Store) examineRewind(ctx context.Context) []doctor.Result {
	if s.marked.Load() && errors.Is(s.checkMark(ctx, "examining Redis"), ErrEmptied) {
		return []doctor.Result{doctor.Failure("redis history", "Redis is empty now and was not before: it is treated as being away, and requests are answered 503",
			"restore a backup (docs/operations.md), or restart all instances of Caddy to begin with an empty Redis")}
	}
	r, err := s.Rewound(ctx)
	if err != nil || r == nil || time.Since(r.Noticed) > rewindShown {
		return nil
	}
	return []doctor.Result{doctor.Warning("redis history", r.String(),
		`tokens that were revoked in that time are good again: look for "token revoked" in the logs of all instances and revoke them anew; see docs/operations.md. This is said for a week`)}
}
