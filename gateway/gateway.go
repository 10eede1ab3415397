// Package gateway is the domain: what a gateway is, which parameters it has,
// which values they may take and which states it lives through. It imports
// nothing but the standard library.
package gateway

import (
	"time"
)

// State is where a gateway is in its life.
//
//	Created → Starting → Running → Stopping → Stopped, and Error with a reason.
type State string

// The states of a gateway.
const (
	StateCreated  State = "Created"
	StateStarting State = "Starting"
	StateRunning  State = "Running"
	StateStopping State = "Stopping"
	StateStopped  State = "Stopped"
	StateError    State = "Error"
)

// DefaultWorkspace is the workspace of gateways that name none.
const DefaultWorkspace = "default"

// Gateway is one named Livy endpoint: what was asked for (Spec), whether it is
// meant to run (Desired) and what is known of its Livy server (Status).
type Gateway struct {
	// ID is the gateway's public id, "lc-" and 16 characters of a-z0-9.
	ID string `json:"id"`
	// Workspace groups gateways; names are unique within one. Default "default".
	Workspace string `json:"workspace"`
	Spec      Spec   `json:"spec"`
	// Desired is StateRunning or StateStopped: what a person or the auto-stop
	// last asked for. It survives restarts of everything.
	Desired State  `json:"desired"`
	Status  Status `json:"status"`
	// CreatedBy is who created the gateway, as the surface that took the
	// request knew them.
	CreatedBy string    `json:"createdBy"`
	CreatedAt time.Time `json:"createdAt"`
	UpdatedAt time.Time `json:"updatedAt"`
	// Revision counts the changes to this gateway; it is the ETag of the API.
	Revision int64 `json:"revision"`
}

// Status is what is known of a gateway's Livy server.
type Status struct {
	State State `json:"state"`
	// Reason says why the gateway is in StateError (with the last log lines of
	// Livy), or what a transition waits for.
	Reason string    `json:"reason,omitempty"`
	Since  time.Time `json:"since"`
	// Address is host:port of the Livy server as this side reaches it; empty
	// unless the state is StateRunning.
	Address string `json:"address,omitempty"`
	// Instance names the container or process, e.g. a container id. A new one
	// means that Livy started again and its ids with it.
	Instance string `json:"instance,omitempty"`
	// LivyVersion is what the server answers to GET /version.
	LivyVersion string `json:"livyVersion,omitempty"`
	// Epoch counts the Livy servers this gateway has had.
	Epoch int64 `json:"epoch"`
	// SessionBase and BatchBase are added to Livy's ids to make public ids.
	// They are raised past everything issued whenever Livy starts at 0 again.
	SessionBase int64 `json:"sessionBase"`
	BatchBase   int64 `json:"batchBase"`
	// Restarts counts restarts after crashes since the last wanted start.
	Restarts int `json:"restarts,omitempty"`
}

// Ref returns "workspace/name", for people.
func (g *Gateway) Ref() string { return g.Workspace + "/" + g.Spec.Name }
