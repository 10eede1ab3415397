// Package warm decides which sessions a gateway starts ahead and which of them it ends. It
// consists of pure functions.
package warm

import (
	"time"

	"github.com/livygateway/livygateway/internal/livy"
)

// StartTimeout bounds the time from the create of a session until it is idle.
const StartTimeout = 5 * time.Minute

// Wanted is a shape of which sessions are kept ready.
type Wanted struct {
	Shape    string
	Count    int
	MemoryMB int64
}

// Session is a session that was started ahead.
type Session struct {
	ID, Shape string
	// Current is false on a server that takes no creates any more.
	Current bool
	// State is the state in Livy, "" if Livy does not list it.
	State string
	// Ending is set if it is being ended already.
	Ending           bool
	Created, Expires time.Time
	MemoryMB         int64
}

// Reasons for which a session is ended.
const (
	ReasonServer   = "its Livy server takes no new sessions"
	ReasonSettings = "nothing like it is wanted any more"
	ReasonSurplus  = "there are more than are wanted"
	ReasonAge      = "it has waited for too long"
	ReasonFailed   = "it failed to start, or ended"
	ReasonMemory   = "the gateway's memory is needed by others"
)

// End is a session that is to be ended.
type End struct{ ID, Reason string }

// Plan is the next thing to do.
type Plan struct {
	// Start is the index of the shape to start a session of, or -1.
	Start int
	End   []End
	// NoRoom is set if a session is missing that does not fit into the gateway's memory.
	NoRoom bool
	// Missing is the number of sessions that are wanted and not there.
	Missing int
}

// lost is how long Livy may fail to list a session that was sent to it.
const lost = 2 * time.Minute

// Next compares the sessions that there are with those that are wanted. One session is started at
// a time, so that those of clients are not slowed down much. freeMB is the memory that neither Livy
// nor the sessions and batches of clients use; negative: it is not bounded.
func Next(wanted []Wanted, have []Session, now time.Time, freeMB int64, bounded bool) Plan {
	p := Plan{Start: -1}
	left := make(map[string]int, len(wanted))
	for i := range wanted {
		left[wanted[i].Shape] += wanted[i].Count
	}
	starting := false
	for i := range have {
		s := &have[i]
		reason := ""
		n, known := left[s.Shape]
		switch {
		case s.Ending:
			p.End = append(p.End, End{ID: s.ID})
			freeMB -= s.MemoryMB
			continue
		case !s.Current:
			reason = ReasonServer
		case s.State == "" && now.Sub(s.Created) <= lost:
			// Its create may be on its way: without an entry, what Livy starts would belong to nobody
			// and be seen by all.
		case !known:
			reason = ReasonSettings
		case livy.Finished(s.State), s.State == "",
			s.State != "idle" && now.Sub(s.Created) > StartTimeout:
			reason = ReasonFailed
		case !now.Before(s.Expires):
			reason = ReasonAge
		case n == 0:
			reason = ReasonSurplus
		case bounded && freeMB < s.MemoryMB:
			reason = ReasonMemory
		}
		if reason != "" {
			p.End = append(p.End, End{s.ID, reason})
			continue
		}
		left[s.Shape]--
		freeMB -= s.MemoryMB
		starting = starting || s.State != "idle"
	}
	for i := range wanted {
		w := &wanted[i]
		missing := left[w.Shape]
		left[w.Shape] = 0
		if missing <= 0 {
			continue
		}
		p.Missing += missing
		if bounded && freeMB < w.MemoryMB {
			p.NoRoom = true
		} else if p.Start < 0 && !starting {
			p.Start = i
			freeMB -= w.MemoryMB
		}
	}
	return p
}
