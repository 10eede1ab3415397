package livyhttp

import (
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/sessions"
)

// observeReply looks for a new state in a reply that is passed on. It first searches the bytes of
// the reply for a known state, and parses only replies that arrived in one piece.
func (h *Record) observeReply(c *call, reply []byte) {
	state, ok := livy.StateIn(reply)
	if !ok || h.core.Ledger.KnowsState(c.entry.Gateway.ID, c.req.Route.Kind, c.req.ID, state) {
		return
	}
	if s, err := livy.ReadBrief(reply); err == nil {
		h.observe(c.entry.Gateway, c.req.Route.Kind, c.req.ID, s)
	}
}

// observe notes a state in a reply if it is new.
func (h *Record) observe(g *gateway.Gateway, kind livy.Kind, publicID int64, s livy.Brief) {
	if s.State == "" || h.core.Ledger.KnowsState(g.ID, kind, publicID, []byte(s.State)) {
		return
	}
	if h.core.Ledger.ObserveState(sessions.ObservedState{
		Gateway: g, Kind: kind, PublicID: publicID, State: s.State, AppID: s.AppID,
	}) {
		h.core.Manager.PollSoon(g.ID)
	}
}
