package gateway

import (
	"fmt"
	"slices"
	"strings"
	"time"
)

// A gateway with the setting servers above 1 has serving servers beside its primary one.

// IDRange holds the public ids of one server's sessions and batches: from the first ones up to,
// but not including, the ends. An end of 0 stands for none.
type IDRange struct {
	Session, SessionEnd, Batch, BatchEnd int64
}

// Rolling is a drained restart of all servers of a gateway, one after the other.
type Rolling struct {
	// Through is the highest epoch of the servers that are to be replaced.
	Through int64 `json:"through"`
	// DrainSeconds is how long each of them may drain.
	DrainSeconds int64 `json:"drainSeconds"`
}

func (v *Server) setIDs(r IDRange) {
	v.SessionBase, v.SessionEnd, v.BatchBase, v.BatchEnd = r.Session, r.SessionEnd, r.Batch, r.BatchEnd
}

func (s *Status) setIDs(r IDRange) {
	s.SessionBase, s.SessionEnd, s.BatchBase, s.BatchEnd = r.Session, r.SessionEnd, r.Batch, r.BatchEnd
}

// IDs returns the server's public ids.
func (v *Server) IDs() IDRange {
	return IDRange{Session: v.SessionBase, SessionEnd: v.SessionEnd, Batch: v.BatchBase, BatchEnd: v.BatchEnd}
}

// Renumber gives the primary server a new epoch and new public ids: its own ids began again.
func (g *Gateway) Renumber(ids IDRange) {
	g.Status.Epoch = g.Status.Issued() + 1
	g.Status.setIDs(ids)
}

// IDs returns the public ids of the primary server.
func (s *Status) IDs() IDRange {
	return IDRange{Session: s.SessionBase, SessionEnd: s.SessionEnd, Batch: s.BatchBase, BatchEnd: s.BatchEnd}
}

// Bounded reports whether other servers' public ids follow those of the primary one.
func (s *Status) Bounded() bool { return s.SessionEnd > 0 }

// Holds reports whether a public id of a session, or of a batch, is one of the primary server's.
func (s *Status) Holds(batch bool, publicID int64) bool {
	base, end := s.SessionBase, s.SessionEnd
	if batch {
		base, end = s.BatchBase, s.BatchEnd
	}
	return publicID >= base && (end == 0 || publicID < end)
}

// InUse reports whether the server takes requests, if only for what it has.
func (v *Server) InUse() bool { return v.State == ServerServing || v.State == ServerDraining }

func (v *Server) drain(until, now time.Time) {
	v.State, v.Since, v.DrainUntil = ServerDraining, now.UTC().Truncate(time.Millisecond), until
}

func (v *Server) serve(now time.Time) {
	v.State, v.Since = ServerServing, now.UTC().Truncate(time.Millisecond)
	v.Joins, v.Replaces, v.DrainSeconds, v.Reason = false, 0, 0, ""
}

// demoted returns the primary server as one beside the primary one. Settings that change later
// are not for it.
func (g *Gateway) demoted() Server {
	v := g.Status.primary()
	if v.StartedWith == nil {
		spec := g.Spec.filled(v.LaunchDefaults)
		v.StartedWith = &spec
	}
	return v
}

// ServingServers returns how many servers take creates. Those that do not answer count too:
// they may answer again.
func (g *Gateway) ServingServers() int {
	n := 0
	if g.Status.State == StateRunning {
		n++
	}
	for i := range g.Status.Servers {
		if g.Status.Servers[i].State == ServerServing {
			n++
		}
	}
	return n
}

// Silent reports whether one of the gateway's servers does not answer.
func (g *Gateway) Silent() bool {
	return !g.Status.UnresponsiveSince.IsZero() ||
		slices.ContainsFunc(g.Status.Servers, func(v Server) bool { return !v.UnresponsiveSince.IsZero() })
}

// MissingServers returns how many servers the gateway lacks. It is negative if there are too
// many. A server that is to be started again is not missing.
func (g *Gateway) MissingServers() int {
	n := g.WantedServers() - 1
	for i := range g.Status.Servers {
		v := &g.Status.Servers[i]
		if v.servesOrJoins() || v.State == ServerEnding && v.Again {
			n--
		}
	}
	return n
}

// AddServer adds a server that serves beside the others once it answers. It reports whether
// there was a number up to most for it.
func (g *Gateway) AddServer(most int, now time.Time) bool {
	return g.addServer(Server{Joins: true}, most, now)
}

// Join lets the starting server with an epoch serve beside the others.
func (g *Gateway) Join(epoch int64, ids IDRange, now time.Time) {
	s := &g.Status
	s.Servers = slices.Clone(s.Servers)
	v := s.Server(epoch)
	v.serve(now)
	v.setIDs(ids)
	g.noteServing(fmt.Sprintf("server %d serves", v.Number), now)
}

// DrainServer lets a serving server drain that the gateway is not to have any more.
func (g *Gateway) DrainServer(epoch int64, until, now time.Time) {
	s := &g.Status
	s.Servers = slices.Clone(s.Servers)
	v := s.Server(epoch)
	v.drain(until, now)
	g.noteServing(fmt.Sprintf("server %d drains until %s", v.Number, until.Format(time.RFC3339)), now)
}

// FailServer records that a serving server, or one that was to serve, failed. It is stopped, and
// started again after a pause; see Status.Fail. It reports false if there is no such server.
func (g *Gateway) FailServer(epoch int64, reason string, now time.Time, longest time.Duration) bool {
	s := &g.Status
	s.Servers = slices.Clone(s.Servers)
	v := s.Server(epoch)
	if v == nil || !v.servesOrJoins() {
		return false
	}
	v.fail(reason, now, longest)
	g.noteServing(fmt.Sprintf("server %d failed: %s", v.Number, firstSentence(reason)), now)
	return true
}

func (v *Server) fail(reason string, now time.Time, longest time.Duration) {
	v.end(firstSentence(reason), now)
	s := Status{Restarts: v.Restarts}
	s.Fail(reason, now, longest)
	v.Again, v.Restarts, v.NextStart, v.LastFailure = true, s.Restarts, s.NextStart, s.LastFailure
	v.UnresponsiveSince = time.Time{}
}

// firstSentence returns a reason without the lines of the log that may follow.
func firstSentence(reason string) string {
	first, _, _ := strings.Cut(reason, "; last lines: ")
	return first
}

// noteServing records a change among the servers in the history, with how many serve now.
func (g *Gateway) noteServing(what string, now time.Time) {
	g.addTransition(g.Status.State, SystemActor,
		fmt.Sprintf("%s; %d of %d serving", what, g.ServingServers(), g.WantedServers()),
		now.UTC().Truncate(time.Millisecond))
}

// Successor returns the epoch of the server that can take over from a primary one that failed
// or is not running yet, or 0.
func (s *Status) Successor() int64 {
	for i := range s.Servers {
		if v := &s.Servers[i]; v.State == ServerServing && v.UnresponsiveSince.IsZero() {
			return v.Epoch
		}
	}
	return 0
}

// TakeOver makes the serving server with an epoch the primary one. The former primary one has
// failed for a reason, and is stopped and started again.
func (g *Gateway) TakeOver(epoch int64, reason string, now time.Time, longest time.Duration) {
	old := g.demoted()
	old.fail(reason, now, longest)
	g.exchange(epoch, old)
	g.enterServing(fmt.Sprintf("server %d failed: %s", old.Number, firstSentence(reason)), now)
}

// TakeOverEarly makes the serving server with an epoch the primary one, while the present one
// starts or is to be started. That one serves beside it once it answers.
func (g *Gateway) TakeOverEarly(epoch int64, now time.Time) {
	old := g.demoted()
	if old.State, old.Joins = ServerStarting, true; g.Status.Retired >= old.Epoch {
		old.end(g.Status.Reason, now) // it must not be used again
		old.Again = true
	}
	g.exchange(epoch, old)
	g.enterServing(fmt.Sprintf("server %d serves", g.Status.PrimaryNumber()), now)
}

// exchange makes the server with an epoch the primary one. The present one becomes old.
func (g *Gateway) exchange(epoch int64, old Server) {
	s := &g.Status
	s.Servers = slices.Clone(s.Servers)
	entry := s.Server(epoch)
	next := *entry
	*entry = old
	s.setPrimary(&next)
	s.Unseen = ""
	// No earlier server of this number is used again, and this one is not retired.
	s.Retired = next.Epoch - 1
	s.LastEpoch = max(s.LastEpoch, old.Epoch)
	g.Change(g.Spec)
}

// enterServing is noteServing for a gateway whose state may be another one.
func (g *Gateway) enterServing(what string, now time.Time) {
	if g.Status.State == StateRunning {
		g.noteServing(what, now)
		return
	}
	g.Enter(StateRunning, "", SystemActor, now)
	last := &g.History[len(g.History)-1]
	last.Cause = fmt.Sprintf("%s; %d of %d serving", what, g.ServingServers(), g.WantedServers())
}

// NextRoll returns the epoch of the serving server that a rolling restart replaces next: 0 if it
// waits for the one before, and -1 if there is none left.
func (g *Gateway) NextRoll() int64 {
	s := &g.Status
	for i := range s.Servers {
		if !s.Servers[i].servesOrJoins() {
			return 0
		}
	}
	if s.Epoch <= s.Rolling.Through {
		return s.Epoch
	}
	for i := range s.Servers {
		if v := &s.Servers[i]; v.State == ServerServing && v.Epoch <= s.Rolling.Through {
			return v.Epoch
		}
	}
	return -1
}

// ReplaceServer adds a server that takes the place of the serving one with an epoch, which drains
// then for a time.
func (g *Gateway) ReplaceServer(epoch int64, drain time.Duration, now time.Time) bool {
	return g.addServer(Server{Replaces: epoch, DrainSeconds: int64(drain.Seconds())}, g.MostServers(), now)
}
