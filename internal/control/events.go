package control

import (
	"encoding/json"

	"github.com/livygateway/livygateway/internal/store"
)

// reportChanges publishes how the gateways of two snapshots differ, for those who follow
// events.
func (m *Manager) reportChanges(before *snapshot, now map[string]*Entry) {
	if before == nil {
		return // the first snapshot: nothing has changed
	}
	for id, e := range now {
		if was := before.byID[id]; was == nil || was.Gateway.Revision != e.Gateway.Revision {
			m.Events.Gateway(e.Gateway, false)
		}
	}
	for id, was := range before.byID {
		if now[id] == nil {
			m.Events.Gateway(was.Gateway, true)
		}
	}
}

// reportOther publishes changes of the store other than those of gateways.
func (m *Manager) reportOther(e store.Event) {
	switch e.Topic {
	case store.TopicTokens:
		if g := m.Known(e.ID); g != nil {
			m.Events.Tokens(g)
		}
	case store.TopicRecords:
		if g := m.Known(e.ID); g != nil {
			m.Events.Records(g)
		}
	case store.TopicNotice:
		var n struct {
			Workspace string `json:"workspace"`
		}
		if json.Unmarshal([]byte(e.ID), &n) == nil {
			m.Events.Notice(n.Workspace, json.RawMessage(e.ID))
		}
	case store.TopicResync:
		m.Events.Reset()
	}
}
