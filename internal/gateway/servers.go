package gateway

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// MaxServers is the highest value of the setting servers. Besides these, a gateway has at most
// spareServers at the same time: one that starts to replace another, and those that drain.
const (
	MaxServers   = 8
	spareServers = 3
)

// MaxNumber is the highest number of a Livy server.
const MaxNumber = MaxServers + spareServers

// ServerState is the state of a Livy server beside the primary one.
type ServerState string

// The states of such a server.
const (
	// ServerStarting servers replace another one, or join the serving ones, as soon as they
	// answer.
	ServerStarting ServerState = "starting"
	// ServerServing servers take creates, as the primary one does.
	ServerServing ServerState = "serving"
	// ServerDraining servers were replaced, or are more than the gateway is to have. They keep
	// their sessions and batches, and get no new ones.
	ServerDraining ServerState = "draining"
	// ServerEnding servers are never used again; they are being stopped.
	ServerEnding ServerState = "ending"
)

// Server is a Livy server of a gateway beside the primary one. The primary one is described
// by the fields of Status.
type Server struct {
	// Number is 1 to MaxNumber. It distinguishes the servers that a gateway has at the same
	// time; see ServerID.
	Number int         `json:"number"`
	State  ServerState `json:"state"`
	// Reason explains why it ends.
	Reason string    `json:"reason,omitempty"`
	Since  time.Time `json:"since"`
	// Joins is set if a starting server serves beside the others once it answers. Otherwise it
	// takes the place of the server whose epoch is Replaces, or of the primary one if that is 0.
	Joins    bool  `json:"joins,omitempty"`
	Replaces int64 `json:"replaces,omitempty"`
	// Again is set if an ending server is started again: it failed.
	Again bool `json:"again,omitempty"`
	// DrainSeconds is how long the server that this one replaces may drain then.
	DrainSeconds int64 `json:"drainSeconds,omitempty"`
	// DrainUntil is when a draining server is stopped, even if it has sessions or batches.
	DrainUntil time.Time `json:"drainUntil,omitzero"`

	// See the fields of Status.
	Address        string            `json:"address,omitempty"`
	Instance       string            `json:"instance,omitempty"`
	LivyVersion    string            `json:"livyVersion,omitempty"`
	Epoch          int64             `json:"epoch"`
	Location       string            `json:"place,omitempty"`
	Launched       map[string]string `json:"launched,omitempty"`
	StartedWith    *Spec             `json:"startedWith,omitempty"`
	LaunchDefaults *Defaults         `json:"launchDefaults,omitempty"`
	FusionOff      string            `json:"fusionOff,omitempty"`

	UnresponsiveSince time.Time `json:"unresponsiveSince,omitzero"`
	Restarts          int       `json:"restarts,omitempty"`
	NextStart         time.Time `json:"nextStart,omitzero"`
	LastFailure       *Failure  `json:"lastFailure,omitempty"`

	// The public ids of a draining or serving server's sessions and batches are at least the base and
	// below the end.
	SessionBase int64 `json:"sessionBase"`
	SessionEnd  int64 `json:"sessionEnd"`
	BatchBase   int64 `json:"batchBase"`
	BatchEnd    int64 `json:"batchEnd"`
}

// ServerID returns the id by which runtimes know a gateway's server. That of number 1 is the
// gateway's id.
func ServerID(gatewayID string, number int) string {
	if number <= 1 {
		return gatewayID
	}
	return gatewayID + "." + strconv.Itoa(number)
}

// servesOrJoins reports whether the server serves, or will serve beside others once it answers.
func (v *Server) servesOrJoins() bool {
	return v.State == ServerServing || v.State == ServerStarting && v.Joins
}

// SplitServerID is the inverse of ServerID.
func SplitServerID(serverID string) (gatewayID string, number int) {
	if id, n, ok := strings.Cut(serverID, "."); ok {
		if number, err := strconv.Atoi(n); err == nil && number > 1 {
			return id, number
		}
	}
	return serverID, 1
}

// ServerID returns the id by which runtimes know the gateway's primary server.
func (g *Gateway) ServerID() string { return ServerID(g.ID, g.Status.PrimaryNumber()) }

// PrimaryNumber returns the number of the primary server; see Server.Number.
func (s *Status) PrimaryNumber() int { return max(1, s.Number) }

// FreeNumber returns the lowest number up to most that no server beside the primary one has, or
// 0. With primary set, the primary server's number is not free either.
func (s *Status) FreeNumber(primary bool, most int) int {
	for n := 1; n <= most; n++ {
		taken := primary && n == s.PrimaryNumber() ||
			slices.ContainsFunc(s.Servers, func(v Server) bool { return v.Number == n })
		if !taken {
			return n
		}
	}
	return 0
}

// WantedServers returns how many Livy servers are to take creates.
func (g *Gateway) WantedServers() int { return max(1, g.Spec.Servers) }

// MostServers returns how many Livy servers the gateway may have at the same time.
func (g *Gateway) MostServers() int { return g.WantedServers() + spareServers }

// Issued returns the highest epoch of all servers that the gateway has had.
func (s *Status) Issued() int64 { return max(s.Epoch, s.LastEpoch) }

// Server returns the server beside the primary one that has an epoch, or nil.
func (s *Status) Server(epoch int64) *Server {
	for i := range s.Servers {
		if s.Servers[i].Epoch == epoch {
			return &s.Servers[i]
		}
	}
	return nil
}

// Serves reports whether a server with this epoch is the primary one or one beside it.
func (s *Status) Serves(epoch int64) bool { return epoch == s.Epoch || s.Server(epoch) != nil }

// Retires reports whether a server that a runtime has found will never be used again. The
// servers in Servers are left to whoever supervises the gateway.
func (s *Status) Retires(number int, epoch int64) bool {
	if number == s.PrimaryNumber() {
		return epoch <= s.Retired
	}
	listed := slices.ContainsFunc(s.Servers, func(v Server) bool { return v.Number == number })
	return !listed && epoch <= s.Issued()
}

// Replace requests that a new server takes the place of each of the gateway's serving ones,
// which then drain for a time. It fails if too many servers drain already.
func (g *Gateway) Replace(drain time.Duration, now time.Time) error {
	s := &g.Status
	s.Servers = slices.Clone(s.Servers)
	for i := range s.Servers {
		if v := &s.Servers[i]; v.State == ServerStarting && !v.Joins {
			v.end("replaced by a later restart", now)
		}
	}
	s.ReplaceFailure, s.Rolling = nil, nil
	through := s.Issued()
	if !g.addServer(Server{DrainSeconds: int64(drain.Seconds())}, g.MostServers(), now) {
		return Errorf(KindConflict, "gateway %q has %d Livy servers already: wait until one has drained, or restart it without draining",
			g.Spec.Name, g.MostServers())
	}
	if g.WantedServers() > 1 {
		s.Servers[len(s.Servers)-1].Replaces = s.Epoch
		s.Rolling = &Rolling{Through: through, DrainSeconds: int64(drain.Seconds())}
	}
	return nil
}

// addServer adds a starting server with an epoch of its own and a number up to most. It reports
// false if there is no such number.
func (g *Gateway) addServer(v Server, most int, now time.Time) bool {
	s := &g.Status
	if v.Number = s.FreeNumber(true, most); v.Number == 0 {
		return false
	}
	s.LastEpoch = s.Issued() + 1
	v.State, v.Since, v.Epoch = ServerStarting, now.UTC().Truncate(time.Millisecond), s.LastEpoch
	s.Servers = append(slices.Clone(s.Servers), v)
	return true
}

func (v *Server) end(reason string, now time.Time) {
	if v.State != ServerEnding {
		v.State, v.Reason, v.Since = ServerEnding, reason, now.UTC().Truncate(time.Millisecond)
	}
}

// EndServers marks the servers beside the primary one for which f is true (nil: all of them)
// to be stopped. It reports whether there were any.
func (s *Status) EndServers(reason string, now time.Time, f func(*Server) bool) (changed bool) {
	s.Servers = slices.Clone(s.Servers)
	if f == nil {
		changed = s.Rolling != nil
		s.Rolling = nil
	}
	for i := range s.Servers {
		v := &s.Servers[i]
		if f == nil && v.Again {
			v.Again, changed = false, true
		}
		if v.State != ServerEnding && (f == nil || f(v)) {
			v.end(reason, now)
			changed = true
		}
	}
	return changed
}

// DropServer removes a server that has ended, or lets it start again with a new epoch.
func (s *Status) DropServer(epoch int64, now time.Time) {
	s.Servers = slices.Clone(s.Servers)
	if v := s.Server(epoch); v != nil && v.Again {
		s.LastEpoch = s.Issued() + 1
		*v = Server{
			Number: v.Number, State: ServerStarting, Joins: true, Since: now.UTC().Truncate(time.Millisecond),
			Epoch: s.LastEpoch, Restarts: v.Restarts, NextStart: v.NextStart, LastFailure: v.LastFailure,
		}
		return
	}
	s.Servers = slices.DeleteFunc(s.Servers, func(v Server) bool { return v.Epoch == epoch })
	if len(s.Servers) == 0 {
		s.Servers = nil
	}
}

// Promote lets the starting server with an epoch take the place of the one that it replaces,
// which drains then. The new server's ids are in the given range.
func (g *Gateway) Promote(epoch int64, ids IDRange, now time.Time) {
	s := &g.Status
	s.Servers = slices.Clone(s.Servers)
	entry := s.Server(epoch)
	next := *entry
	drain := time.Duration(next.DrainSeconds) * time.Second
	until := now.UTC().Truncate(time.Millisecond).Add(drain)
	next.setIDs(ids)
	if other := s.Server(next.Replaces); other != nil && next.Replaces != s.Epoch {
		other.drain(until, now)
		next.serve(now)
		*entry = next
	} else {
		old := g.demoted()
		if old.SessionEnd == 0 {
			old.SessionEnd, old.BatchEnd = ids.Session, ids.Batch
		}
		old.drain(until, now)
		*entry = old
		s.setPrimary(&next)
		s.Unseen, s.UnresponsiveSince = "", time.Time{}
		s.ForgetFailures()
		g.Change(g.Spec) // what the new server was started with may be the present settings
	}
	g.addTransition(StateRunning, SystemActor, "a new Livy server took over; the former one drains until "+
		until.Format(time.RFC3339), now)
}

// LaunchWith records what a server is started with: the gateway's settings, the operator's
// defaults for those that are not set, and fingerprints of both.
func (v *Server) LaunchWith(spec Spec, defaults *Defaults, fingerprints map[string]string) {
	spec = spec.filled(defaults)
	v.StartedWith, v.LaunchDefaults, v.Launched = &spec, defaults, fingerprints
}

// At returns the gateway with its i-th server in the place of the primary one, as the code
// that talks to one server needs it. The primary one is among the Servers then.
func (g *Gateway) At(i int) *Gateway {
	view := *g
	s := &view.Status
	s.Servers = slices.Clone(s.Servers)
	server := s.Servers[i]
	s.Servers[i] = s.primary()
	s.setPrimary(&server)
	s.State, s.Reason, s.Unseen = StateRunning, "", ""
	if server.State == ServerStarting {
		s.State = StateStarting
	}
	view.Change(view.Spec) // a server that was started with the present settings needs no others
	return &view
}

// Serving returns the gateway as At does for the server with an epoch, or nil if that server
// takes no requests.
func (g *Gateway) Serving(epoch int64) *Gateway {
	if epoch == g.Status.Epoch {
		if g.Status.State != StateRunning {
			return nil
		}
		return g
	}
	for i := range g.Status.Servers {
		if v := &g.Status.Servers[i]; v.Epoch == epoch && v.InUse() {
			return g.At(i)
		}
	}
	return nil
}

// primary describes the primary server.
func (s *Status) primary() Server {
	return Server{
		Number: s.PrimaryNumber(), Since: s.Since, Address: s.Address, Instance: s.Instance,
		LivyVersion: s.LivyVersion, Epoch: s.Epoch, Location: s.Location, Launched: s.Launched,
		StartedWith: s.StartedWith, LaunchDefaults: s.LaunchDefaults, FusionOff: s.FusionOff,
		UnresponsiveSince: s.UnresponsiveSince,
		Restarts:          s.Restarts, NextStart: s.NextStart, LastFailure: s.LastFailure,
		SessionBase: s.SessionBase, SessionEnd: s.SessionEnd, BatchBase: s.BatchBase, BatchEnd: s.BatchEnd,
	}
}

func (s *Status) setPrimary(v *Server) {
	s.setNumber(v.Number)
	s.Address, s.Instance, s.LivyVersion = v.Address, v.Instance, v.LivyVersion
	s.Epoch, s.Location, s.FusionOff = v.Epoch, v.Location, v.FusionOff
	s.Launched, s.StartedWith, s.LaunchDefaults = v.Launched, v.StartedWith, v.LaunchDefaults
	s.UnresponsiveSince = v.UnresponsiveSince
	s.Restarts, s.NextStart, s.LastFailure = v.Restarts, v.NextStart, v.LastFailure
	s.SessionBase, s.SessionEnd, s.BatchBase, s.BatchEnd = v.SessionBase, v.SessionEnd, v.BatchBase, v.BatchEnd
}

// setNumber sets the primary server's number. Number 1 is stored as 0, as by versions that
// knew one server only.
func (s *Status) setNumber(n int) {
	if s.Number = n; n == 1 {
		s.Number = 0
	}
}

// StartPrimary begins a new primary server with the given public ids.
func (g *Gateway) StartPrimary(ids IDRange) {
	s := &g.Status
	s.Epoch = s.Issued() + 1
	if n := s.FreeNumber(false, g.MostServers()); n > 0 {
		s.setNumber(n)
	}
	s.setIDs(ids)
}
