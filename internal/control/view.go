package control

import (
	"context"
	"maps"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/resolved"
	"github.com/livygateway/livygateway/policies"
)

// Entry is a gateway as the data path sees it. It is read-only.
type Entry struct {
	Gateway *gateway.Gateway
	// Policy is nil when the gateway's policy cannot be compiled; PolicyError
	// says why. Such a gateway lets no create through.
	Policy      *policies.Policy
	PolicyError error
	// LDAP says that Livy asks for passwords itself, so that Basic credentials
	// are passed on to it.
	LDAP bool

	used       *usage
	resolution *resolution
	facts      resolved.Facts
	forTokens  *sync.Map // of policies by identity and queue of tokens
}

// PolicyFor is the policy for a token, which may have an identity and a queue of
// its own; empty means the gateway's.
func (e *Entry) PolicyFor(identity, queue string) (*policies.Policy, error) {
	if e.PolicyError != nil || identity == "" && queue == "" {
		return e.Policy, e.PolicyError
	}
	key := [2]string{identity, queue}
	if p, ok := e.forTokens.Load(key); ok {
		return p.(*policies.Policy), nil
	}
	p, err := e.resolution.inForce.Policy(e.facts, identity, queue)
	if err == nil {
		e.forTokens.Store(key, p)
	}
	return p, err
}

// view is an immutable picture of all gateways that the data path reads without
// locks; every change makes a new picture.
type view struct {
	mu      sync.Mutex // one writer at a time
	current atomic.Pointer[picture]
	changed chan struct{} // closed with the next picture; nil while nobody waits
	// told is told of each new picture, while no other one is made; it must be quick.
	told func(before *picture, now map[string]*Entry)
}

// next returns a channel that is closed when there is a newer picture.
func (v *view) next() <-chan struct{} {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.changed == nil {
		v.changed = make(chan struct{})
	}
	return v.changed
}

type picture struct {
	byID  map[string]*Entry
	byRef map[string]*Entry // "workspace/name" and "workspace/id"
}

func newPicture(entries map[string]*Entry) *picture {
	p := &picture{byID: entries, byRef: make(map[string]*Entry, 2*len(entries))}
	for _, e := range entries {
		p.byRef[e.Gateway.Ref()] = e
	}
	for id, e := range entries { // an id is nobody else's, even if it is somebody's name
		p.byRef[e.Gateway.Workspace+"/"+id] = e
	}
	return p
}

// Lookup finds a gateway by workspace and name or id. It fails with
// KindUnavailable until the gateways have been read for the first time.
func (m *Manager) Lookup(workspace, nameOrID string) (*Entry, error) {
	p := m.view.current.Load()
	if p == nil {
		return nil, gateway.Errorf(gateway.KindUnavailable, "the gateways have not been read from Redis yet")
	}
	if e, ok := p.byRef[workspace+"/"+nameOrID]; ok {
		return e, nil
	}
	return nil, gateway.Errorf(gateway.KindNotFound, "no gateway %q in workspace %q", nameOrID, workspace)
}

// CountByState counts the gateways in each state.
func (m *Manager) CountByState() map[gateway.State]int {
	counts := make(map[gateway.State]int)
	for _, e := range m.view.all() {
		counts[e.Gateway.Status.State]++
	}
	return counts
}

func (v *view) all() []*Entry {
	p := v.current.Load()
	if p == nil {
		return nil
	}
	return slices.SortedFunc(maps.Values(p.byID), func(a, b *Entry) int {
		return strings.Compare(a.Gateway.Ref(), b.Gateway.Ref())
	})
}

// change makes a new picture from the old one.
func (v *view) change(f func(entries map[string]*Entry)) {
	v.mu.Lock()
	defer v.mu.Unlock()
	entries := make(map[string]*Entry)
	if p := v.current.Load(); p != nil {
		maps.Copy(entries, p.byID)
	}
	f(entries)
	v.showLocked(entries)
}

// replace makes a new picture from nothing: what f returns, during which nobody
// else changes it.
func (v *view) replace(f func() (map[string]*Entry, error)) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	entries, err := f()
	if err == nil {
		v.showLocked(entries)
	}
	return err
}

func (v *view) showLocked(entries map[string]*Entry) {
	before := v.current.Swap(newPicture(entries))
	if v.told != nil {
		v.told(before, entries)
	}
	if v.changed != nil {
		close(v.changed)
		v.changed = nil
	}
}

func (v *view) recompile(compile func(*gateway.Gateway) *Entry) {
	if v.current.Load() == nil {
		return
	}
	v.change(func(entries map[string]*Entry) {
		for id, e := range entries {
			entries[id] = compile(e.Gateway)
		}
	})
}

// compile makes the data path's entry of a gateway.
func (m *Manager) compile(g *gateway.Gateway) *Entry {
	r, facts := m.resolve(g), m.facts(g)
	p, err := r.inForce.Policy(facts, "", "")
	if err != nil {
		m.Logger.Error("a stored policy cannot be compiled", zap.String("gateway", g.ID), zap.Error(err))
	}
	return &Entry{
		Gateway: g, Policy: p, PolicyError: err, LDAP: r.inForce.LivyConf(resolved.AuthTypeKey) == "ldap",
		used: m.usage(g.ID), resolution: r, facts: facts, forTokens: new(sync.Map),
	}
}

// refreshAll reads all gateways anew. When Redis is away the old picture stays.
func (m *Manager) refreshAll(ctx context.Context) error {
	// What is shown or deleted while Redis answers is newer than the answer.
	before := map[string]*Entry{}
	if p := m.view.current.Load(); p != nil {
		before = p.byID
	}
	all, err := m.Store.Gateways(ctx)
	if err != nil {
		if ctx.Err() == nil {
			m.Logger.Warn("reading gateways", zap.Error(err))
		}
		return err
	}
	var deleted []string
	m.view.change(func(entries map[string]*Entry) {
		seen := make(map[string]bool, len(all))
		for _, g := range all {
			seen[g.ID] = true
			if before[g.ID] == nil || entries[g.ID] != nil {
				m.merge(entries, g)
			}
		}
		maps.DeleteFunc(entries, func(id string, _ *Entry) bool {
			gone := !seen[id] && before[id] != nil
			if gone {
				deleted = append(deleted, id)
			}
			return gone
		})
	})
	m.kickAll()
	for _, id := range deleted {
		m.forget(id)
	}
	return nil
}

// revisionInterval is the pause between two looks whether a change was missed:
// notices alone can be lost.
const revisionInterval = 400 * time.Millisecond

// followRevisions reads anew what has changed without notice, until ctx ends.
func (m *Manager) followRevisions(ctx context.Context) {
	tick := time.NewTicker(revisionInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		known := m.view.current.Load()
		if known == nil {
			continue
		}
		revisions, err := m.Store.GatewayRevisions(ctx)
		if err != nil {
			continue // refreshAll says so
		}
		for id, revision := range revisions {
			if e := known.byID[id]; e == nil || e.Gateway.Revision < revision {
				m.refreshOne(ctx, id)
			}
		}
		for id := range known.byID {
			if _, ok := revisions[id]; !ok {
				m.refreshOne(ctx, id)
			}
		}
	}
}

// refreshOne reads one gateway anew.
func (m *Manager) refreshOne(ctx context.Context, id string) {
	g, err := m.Store.Gateway(ctx, id)
	if err != nil && gateway.KindOf(err) != gateway.KindNotFound {
		return // the next full refresh will do
	}
	m.show(id, g)
}

// show puts a gateway (nil: deleted) into the picture.
func (m *Manager) show(id string, g *gateway.Gateway) {
	known := false
	m.view.change(func(entries map[string]*Entry) {
		if g == nil {
			_, known = entries[id]
			delete(entries, id)
			return
		}
		m.merge(entries, g)
	})
	m.kickAll()
	if known {
		m.forget(id)
	}
}

// showNewer puts what was read of a gateway into the picture if that is behind.
func (m *Manager) showNewer(g *gateway.Gateway) {
	if p := m.view.current.Load(); p != nil && p.byID[g.ID] != nil && p.byID[g.ID].Gateway.Revision < g.Revision {
		m.show(g.ID, g)
	}
}

// forget lets go of what is kept here of a gateway that was deleted.
func (m *Manager) forget(id string) {
	m.usages.Delete(id)
	if m.ctx != nil && m.ctx.Err() == nil {
		go m.forgetLog(m.ctx, id)
	}
}

// merge puts g into entries unless something newer is there; an unchanged
// gateway keeps its compiled policy.
func (m *Manager) merge(entries map[string]*Entry, g *gateway.Gateway) {
	old, ok := entries[g.ID]
	if ok && old.Gateway.Revision >= g.Revision {
		return
	}
	if r := m.resolve(g); ok && old.PolicyError == nil && old.resolution.inForce == r.inForce && old.facts == m.facts(g) {
		same := *old
		same.Gateway, same.resolution = g, r
		entries[g.ID] = &same
		return
	}
	entries[g.ID] = m.compile(g)
}
