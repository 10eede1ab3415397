// Package events keeps the latest changes of gateways, tokens and records that this instance
// knows of, and delivers them to those who follow them, such as open pages of the console. It
// does not use Redis: the code that learns of a change reports it here.
package events

import (
	"encoding/json"

	"github.com/livygateway/livygateway/internal/gateway"
)

// The names of events.
const (
	// NameGateway means that a gateway was created, changed or deleted.
	NameGateway = "gateway"
	// NameTokens means that tokens of a gateway were created, changed or revoked,
	// NameRecords that sessions or batches of it began, changed or were removed.
	NameTokens  = "tokens"
	NameRecords = "records"
	// NameNotice means that something was reported that somebody should know.
	NameNotice = "notice"
	// NameReset means that changes may have been missed: the client must read everything again.
	NameReset = "reset"
)

// Event is one change.
type Event struct {
	// ID identifies the event and the instance that reports it.
	ID string
	// Name is one of the names above.
	Name string
	// Workspace is the gateway's workspace; empty for a reset.
	Workspace string
	// Data is a GatewayChange, a Change, or {}, as JSON.
	Data json.RawMessage

	number uint64
}

// GatewayChange is the data of an event NameGateway.
type GatewayChange struct {
	Workspace string `json:"workspace"`
	// Gateway is the gateway's id, Name its name.
	Gateway string `json:"gateway"`
	Name    string `json:"name"`
	// State and Revision are the gateway's current ones.
	State    gateway.State `json:"state"`
	Revision int64         `json:"revision"`
	Deleted  bool          `json:"deleted"`
}

// Change is the data of the events NameTokens and NameRecords.
type Change struct {
	Workspace string `json:"workspace"`
	// Gateway is the gateway's id.
	Gateway string `json:"gateway"`
}

func encode(v any) json.RawMessage {
	text, err := json.Marshal(v)
	if err != nil { // texts and numbers can always be encoded
		panic(err)
	}
	return text
}
