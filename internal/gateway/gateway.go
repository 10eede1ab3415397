// Package gateway is the domain model: gateways, their parameters, the rules on the values of
// parameters, and the states of gateways. It imports nothing but the standard library.
package gateway

import (
	"strings"
	"time"
)

// State is a state of a gateway's life cycle.
//
//	Created → Starting → Running → Stopping → Stopped, and Error with a reason. Any of them
//	→ Deleting, which nothing follows.
type State string

// The states of a gateway.
const (
	StateCreated  State = "Created"
	StateStarting State = "Starting"
	StateRunning  State = "Running"
	StateStopping State = "Stopping"
	StateStopped  State = "Stopped"
	StateError    State = "Error"
	StateDeleting State = "Deleting"
)

// Gateway is a named Livy endpoint: its settings (Spec), the desired state (Desired) and what
// is known of its Livy server (Status).
type Gateway struct {
	// ID is the gateway's public id, "lc-" and 16 characters of a-z0-9.
	ID string `json:"id"`
	// Workspace groups gateways; names are unique within one. Default "default".
	Workspace string `json:"workspace"`
	Spec      Spec   `json:"spec"`
	// Declared reports whether the gateway is declared in Caddy's configuration. Its
	// settings can then be changed only there, and it can be deleted only after it is
	// removed there.
	Declared bool `json:"declared,omitempty"`
	// Desired is StateRunning, StateStopped or StateDeleting: the state last requested by a
	// person or by auto-start or auto-stop. It survives all restarts. StateDeleting is final.
	Desired State  `json:"desired"`
	Status  Status `json:"status"`
	// CreatedBy is the name of the person who created the gateway, as authenticated.
	CreatedBy string    `json:"createdBy"`
	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"updatedAt"`
	// History holds the last transitions, oldest first, at most MaxHistory.
	History []Transition `json:"history,omitempty"`
	// Revision counts the changes to this gateway; it is the ETag of the API.
	Revision int64 `json:"revision"`
}

// Status is what is known of a gateway's Livy server.
type Status struct {
	State State `json:"state"`
	// Reason explains why the gateway is in StateError (with the last log lines of Livy),
	// or what a transition waits for.
	Reason string    `json:"reason,omitempty"`
	Since  time.Time `json:"since"`
	// Address is host:port of the Livy server as the gateway reaches it; empty unless the
	// state is StateRunning.
	Address string `json:"address,omitempty"`
	// Instance identifies the container or process, e.g. a container id. It changes when
	// Livy is started again and its ids begin again.
	Instance string `json:"instance,omitempty"`
	// LivyVersion is the version that the server reports.
	LivyVersion string `json:"livyVersion,omitempty"`
	// Epoch counts the Livy servers that this gateway has had.
	Epoch int64 `json:"epoch"`
	// Retired is the last epoch whose server is retired: servers of this epoch or an
	// earlier one are stopped wherever they are found and never used again.
	Retired int64 `json:"condemned,omitempty"`
	// Location is where the server runs, if it can be reached and stopped from there only:
	// a machine, or a Docker engine.
	Location string `json:"place,omitempty"`
	// SessionBase and BatchBase are added to Livy's ids to make public ids. They are
	// raised above all issued ids whenever Livy's ids begin again.
	SessionBase int64 `json:"sessionBase"`
	BatchBase   int64 `json:"batchBase"`
	// SessionEnd and BatchEnd bound the public ids if other servers' ids follow; 0 stands for
	// none.
	SessionEnd int64 `json:"sessionEnd,omitempty"`
	BatchEnd   int64 `json:"batchEnd,omitempty"`
	// Launched holds fingerprints of the settings that the running Livy server was started
	// with and that take effect only at a start, and of the catalog entries that they name.
	Launched map[string]string `json:"launched,omitempty"`
	// StartedWith holds the settings that the running Livy server was started with, if
	// newer ones wait for its next start; see Gateway.InForce.
	StartedWith *Spec `json:"startedWith,omitempty"`
	// LaunchDefaults holds the operator's defaults that the running Livy server was
	// started with, for settings that the gateway leaves to the operator.
	LaunchDefaults *Defaults `json:"launchDefaults,omitempty"`
	// Unseen is the reason why the states of sessions and batches are not followed, e.g.
	// because Livy requires a login; empty if they are.
	Unseen string `json:"unseen,omitempty"`
	// FusionOff is the reason why jobs run without the gateway's acceleration, e.g.
	// because the CPU lacks a feature; empty if they run with it.
	FusionOff string `json:"fusionOff,omitempty"`
	// UnresponsiveSince is since when a running server has not answered; the zero time
	// if it answers. Requests are refused meanwhile.
	UnresponsiveSince time.Time `json:"unresponsiveSince,omitzero"`
	// Restarts counts the failures since somebody asked for a start, or since the server
	// last ran well for ten minutes.
	Restarts int `json:"restarts,omitempty"`
	// NextStart is the earliest time of the next start after a failure.
	NextStart time.Time `json:"nextStart,omitzero"`
	// LastFailure is the last of these failures.
	LastFailure *Failure `json:"lastFailure,omitempty"`
	// Number is the number of this server among those that the gateway has at the same time;
	// 0 stands for 1.
	Number int `json:"number,omitempty"`
	// Servers are the Livy servers beside this one: those that also serve, those that drain or
	// end, and those that start.
	Servers []Server `json:"servers,omitempty"`
	// LastEpoch is the highest epoch among Servers, also of those that have ended.
	LastEpoch int64 `json:"lastEpoch,omitempty"`
	// Warmed reports whether sessions have been started ahead on this gateway: its Livy servers
	// may have sessions that belong to nobody.
	Warmed bool `json:"warmed,omitempty"`
	// WarmLearned are the shapes among which the sessions of "warm auto" are divided.
	WarmLearned []Warm `json:"warmLearned,omitempty"`
	// ReplaceFailure is why the last server that was to take the place of this one did not.
	ReplaceFailure *Failure `json:"replaceFailure,omitempty"`
	// Rolling is set while the gateway's servers are replaced one after the other.
	Rolling *Rolling `json:"rolling,omitempty"`
}

// Failure is how a Livy server failed.
type Failure struct {
	Time   time.Time `json:"time"`
	Reason string    `json:"reason"`
}

// Fail records a failure and schedules the next start: 1 s after the first failure, and
// twice as long after each further one, up to longest.
func (s *Status) Fail(reason string, now time.Time, longest time.Duration) {
	now = now.UTC().Truncate(time.Millisecond)
	s.Restarts++
	s.NextStart = now.Add(min(longest, time.Second<<min(20, s.Restarts-1)))
	s.LastFailure = &Failure{Time: now, Reason: reason}
}

// HasFailed reports whether failures are recorded.
func (s *Status) HasFailed() bool { return s.Restarts > 0 || s.LastFailure != nil }

// ForgetFailures makes the next failure count as the first one.
func (s *Status) ForgetFailures() {
	s.Restarts, s.NextStart, s.LastFailure = 0, time.Time{}, nil
}

// Ref returns "workspace/name".
func (g *Gateway) Ref() string { return g.Workspace + "/" + g.Spec.Name }

// Transition is a change of a gateway's state.
type Transition struct {
	Time time.Time `json:"time"`
	From State     `json:"from,omitempty"`
	To   State     `json:"to"`
	// Actor is who caused it: the name of a person as authenticated, or "gateway".
	Actor string `json:"actor"`
	// Cause is a short reason.
	Cause string `json:"cause,omitempty"`
}

// MaxHistory bounds a gateway's History; the oldest transitions are dropped.
const MaxHistory = 50

// maxCause bounds a Cause in bytes: reasons may contain log lines.
const maxCause = 300

// SystemActor is the actor of the gateway's own transitions, ConfigActor that of transitions
// caused by the configuration. They are never names of persons; see Person.
const (
	SystemActor = "gateway"
	ConfigActor = "the configuration"
)

// Person returns the actor for a person's name.
func Person(name string) string {
	if name == SystemActor || name == ConfigActor {
		return "user " + name
	}
	return name
}

// Enter sets the gateway's state and the reason to show, and records the transition.
// Entering the current state changes only the reason.
func (g *Gateway) Enter(s State, reason, actor string, now time.Time) {
	if g.Status.State != s {
		now = now.UTC().Truncate(time.Millisecond)
		g.addTransition(s, actor, reason, now)
		g.Status.Since = now
	}
	g.Status.State, g.Status.Reason = s, reason
}

func (g *Gateway) addTransition(to State, actor, cause string, now time.Time) {
	if len(cause) > maxCause {
		cause = strings.ToValidUTF8(cause[:maxCause], "") + "..."
	}
	g.History = append(g.History,
		Transition{Time: now, From: g.Status.State, To: to, Actor: actor, Cause: cause})
	if extra := len(g.History) - MaxHistory; extra > 0 {
		g.History = g.History[extra:]
	}
}
