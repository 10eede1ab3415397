package caddymodule

import (
	"bytes"
	"encoding/json"

	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/sessions"
)

// tellsState says whether the reply to a request is about the state of one
// session or batch.
func tellsState(req *livy.Request) bool {
	switch req.Route.Name {
	case "session.get", "session.state", "batch.get", "batch.state":
		return req.Method == "GET"
	}
	return false
}

var stateField = []byte(`"state":"`)

// sight looks at a reply that passes by for a state that is not known yet. What
// is known costs a search of the reply's bytes; only a reply that came in one
// piece is read as what it is.
func (h *Record) sight(c *call, reply []byte) {
	_, rest, found := bytes.Cut(reply, stateField)
	state, _, ended := bytes.Cut(rest, []byte(`"`))
	if !found || !ended || h.core.ledger.KnowsState(c.entry.Gateway.ID, c.req.Route.Kind, c.req.ID, string(state)) {
		return
	}
	var s struct {
		State string `json:"state"`
		AppID string `json:"appId"`
	}
	if json.Unmarshal(reply, &s) != nil {
		return
	}
	h.saw(c, c.req.ID, s.State, s.AppID)
}

// saw takes a state that a reply tells, if it is new.
func (h *Record) saw(c *call, publicID int64, state, appID string) {
	g, kind := c.entry.Gateway, c.req.Route.Kind
	if state == "" || h.core.ledger.KnowsState(g.ID, kind, publicID, state) {
		return
	}
	if h.core.ledger.ObserveState(sessions.ObservedState{Gateway: g, Kind: kind, PublicID: publicID, State: state, AppID: appID}) {
		h.core.manager.PollSoon(g.ID)
	}
}
