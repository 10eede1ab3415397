// Package events keeps the last changes of gateways, tokens and records that this
// instance knows of, and hands them to those who follow them, such as open pages of the
// console. It asks Redis nothing: whoever hears of a change tells it.
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
	// NameReset means that changes may have been missed: all is to be read anew.
	NameReset = "reset"
)

// Event is one change, or something that changed.
type Event struct {
	// ID names the event, and the instance that tells of it.
	ID string
	// Name is one of the names above.
	Name string
	// Workspace is that of the gateway; empty in a reset.
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
	// State is the gateway's state, and Revision that of what it is now.
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
