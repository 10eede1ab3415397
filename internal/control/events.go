package control

import (
	"github.com/livygateway/livygateway/internal/store"
)

// tellChanges tells those who follow events how two pictures of all gateways differ.
func (m *Manager) tellChanges(before *picture, now map[string]*Entry) {
	if before == nil {
		return // they were read for the first time: nothing was known that changed
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

// tell passes on what the store says of changes other than those of gateways.
func (m *Manager) tell(e store.Event) {
	switch e.Topic {
	case store.TopicTokens:
		if g := m.Known(e.ID); g != nil {
			m.Events.Tokens(g)
		}
	case store.TopicRecords:
		if g := m.Known(e.ID); g != nil {
			m.Events.Records(g)
		}
	case store.TopicResync:
		m.Events.Reset()
	}
}
