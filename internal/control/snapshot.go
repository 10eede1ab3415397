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
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/resolved"
	"github.com/livygateway/livygateway/policies"
)

// Entry is a gateway as the data path uses it. It is read-only.
type Entry struct {
	Gateway *gateway.Gateway
	// Ref is the gateway's "workspace/name".
	Ref string
	// Policy is nil if the gateway's policy cannot be compiled, for the reason given by
	// PolicyError. Such a gateway refuses all creates.
	Policy      *policies.Policy
	PolicyError error
	// LDAP reports whether Livy itself authenticates by password, so that Basic
	// credentials are forwarded to it.
	LDAP bool
	// DriverPods reports whether the drivers of batches are pods, which decide how these end; see
	// sessions.Drivers.
	DriverPods bool

	// byURL is set for a server that is not just host:port, and server is that one; see Server.
	byURL  bool
	server *livy.Server

	used       *usage
	resolution *resolution
	facts      resolved.Facts
	forTokens  *sync.Map // policies by identity and queue of tokens

	// beside are the entries of the gateway's servers besides the primary one that take
	// requests. serves is set for those of them that take creates.
	beside []*Entry
	serves bool
}

// PolicyFor returns the policy for a token with its own identity and queue. If both are
// empty it is the gateway's policy.
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

// snapshots publishes immutable snapshots of all gateways, which the data path reads
// without locks. Every change publishes a new snapshot.
type snapshots struct {
	mu      sync.Mutex // one writer at a time
	current atomic.Pointer[snapshot]
	changed chan struct{} // closed with the next snapshot; nil while nothing waits
	// onPublish is called with each new snapshot, under the lock; it must be quick.
	onPublish func(before *snapshot, now map[string]*Entry)
}

// next returns a channel that is closed when a newer snapshot is published.
func (s *snapshots) next() <-chan struct{} {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.changed == nil {
		s.changed = make(chan struct{})
	}
	return s.changed
}

type snapshot struct {
	byID  map[string]*Entry
	byRef map[string]*Entry // "workspace/name" and "workspace/id"
	// sorted are all entries by workspace and name, sorted at the first call.
	sorted func() []*Entry
}

func newSnapshot(entries map[string]*Entry) *snapshot {
	p := &snapshot{byID: entries, byRef: make(map[string]*Entry, 2*len(entries))}
	p.sorted = sync.OnceValue(func() []*Entry {
		return slices.SortedFunc(maps.Values(entries), func(a, b *Entry) int {
			return strings.Compare(a.Gateway.Ref(), b.Gateway.Ref())
		})
	})
	for _, e := range entries {
		p.byRef[e.Ref] = e
	}
	for id, e := range entries { // an id wins over another gateway's equal name
		p.byRef[e.Gateway.Workspace+"/"+id] = e
	}
	return p
}

// Lookup finds a gateway by workspace and name or id. It fails with
// KindUnavailable until the gateways have been read for the first time.
func (m *Manager) Lookup(workspace, nameOrID string) (*Entry, error) {
	p := m.snapshots.current.Load()
	if p == nil {
		return nil, gateway.Errorf(gateway.KindUnavailable, "the gateways have not been read from Redis yet")
	}
	if e, ok := p.byRef[workspace+"/"+nameOrID]; ok {
		return e, nil
	}
	return nil, gateway.Errorf(gateway.KindNotFound, "no gateway %q in workspace %q", nameOrID, workspace)
}

// Known returns the gateway with an id as this instance knows it, or nil if there is none.
// It must not be changed.
func (m *Manager) Known(id string) *gateway.Gateway {
	if p := m.snapshots.current.Load(); p != nil && p.byID[id] != nil {
		return p.byID[id].Gateway
	}
	return nil
}

// Snapshot returns all gateways as this instance knows them, by workspace and name. They
// must not be changed. It fails with KindUnavailable until they have been read.
func (m *Manager) Snapshot() ([]*gateway.Gateway, error) {
	if m.snapshots.current.Load() == nil {
		return nil, gateway.Errorf(gateway.KindUnavailable, "the gateways have not been read from Redis yet")
	}
	entries := m.snapshots.entries()
	all := make([]*gateway.Gateway, len(entries))
	for i, e := range entries {
		all[i] = e.Gateway
	}
	return all, nil
}

// CountByState counts the gateways in each state.
func (m *Manager) CountByState() map[gateway.State]int {
	counts := make(map[gateway.State]int)
	for _, e := range m.snapshots.entries() {
		counts[e.Gateway.Status.State]++
	}
	return counts
}

// Unresponsive counts the running gateways with a Livy server that does not answer.
func (m *Manager) Unresponsive() (n int) {
	for _, e := range m.snapshots.entries() {
		if e.Gateway.Silent() {
			n++
		}
	}
	return n
}

// entries returns all entries by workspace and name. The list must not be changed.
func (s *snapshots) entries() []*Entry {
	if p := s.current.Load(); p != nil {
		return p.sorted()
	}
	return nil
}

// change publishes a new snapshot made from the old one.
func (s *snapshots) change(f func(entries map[string]*Entry)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	entries := make(map[string]*Entry)
	if p := s.current.Load(); p != nil {
		entries = maps.Clone(p.byID)
	}
	f(entries)
	s.publishLocked(entries)
}

// replace publishes a new snapshot of the entries that f returns. There are no other
// changes while f runs.
func (s *snapshots) replace(f func() (map[string]*Entry, error)) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	entries, err := f()
	if err == nil {
		s.publishLocked(entries)
	}
	return err
}

func (s *snapshots) publishLocked(entries map[string]*Entry) {
	before := s.current.Swap(newSnapshot(entries))
	if s.onPublish != nil {
		s.onPublish(before, entries)
	}
	if s.changed != nil {
		close(s.changed)
		s.changed = nil
	}
}

func (s *snapshots) recompile(compile func(*gateway.Gateway) *Entry) {
	if s.current.Load() == nil {
		return
	}
	s.change(func(entries map[string]*Entry) {
		for id, e := range entries {
			entries[id] = compile(e.Gateway)
		}
	})
}

// compile returns the data path's entry of a gateway.
func (m *Manager) compile(g *gateway.Gateway) *Entry {
	e := m.compileServer(g)
	e.beside = m.compileBeside(g)
	return e
}

// compileServer returns the entry of a gateway's primary server.
func (m *Manager) compileServer(g *gateway.Gateway) *Entry {
	r, facts := m.resolve(g), m.facts(g)
	p, err := r.inForce.Policy(facts, "", "")
	if err != nil {
		m.Logger.Error("cannot compile a stored policy", zap.String("gateway", g.ID), zap.Error(err))
	}
	e := &Entry{
		Gateway: g, Ref: g.Ref(), Policy: p, PolicyError: err, LDAP: r.inForce.LivyConf(resolved.AuthTypeKey) == "ldap",
		DriverPods: driverPods(r.inForce), byURL: livy.IsURL(g.Status.Address),
		used: m.usage(g.ID), resolution: r, facts: facts, forTokens: new(sync.Map),
	}
	if e.byURL {
		e.server = r.server(g.Status.Address)
	}
	return e
}

// refreshAll reads all gateways again. The old snapshot stays if Redis is unreachable.
func (m *Manager) refreshAll(ctx context.Context) error {
	// Gateways that are published or deleted while Redis answers are newer than its answer.
	before := map[string]*Entry{}
	if p := m.snapshots.current.Load(); p != nil {
		before = p.byID
	}
	all, err := m.Store.Gateways(ctx)
	if err != nil {
		if ctx.Err() == nil && m.unread.begins(err) {
			m.Logger.Warn("cannot read the gateways; retrying", zap.Error(err))
		}
		return err
	}
	if m.unread.ends() {
		m.Logger.Info("the gateways can be read again")
	}
	var deleted []string
	m.snapshots.change(func(entries map[string]*Entry) {
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

// revisionInterval is the pause between two checks for missed changes: change events
// alone can be lost.
const revisionInterval = 400 * time.Millisecond

// followRevisions reads gateways again whose change event was missed, until ctx ends.
func (m *Manager) followRevisions(ctx context.Context) {
	tick := time.NewTicker(revisionInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		known := m.snapshots.current.Load()
		if known == nil {
			continue
		}
		revisions, err := m.Store.GatewayRevisions(ctx)
		if err != nil {
			continue // refreshAll reports it
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

// refreshOne reads one gateway again.
func (m *Manager) refreshOne(ctx context.Context, id string) {
	g, err := m.Store.Gateway(ctx, id)
	if err != nil && gateway.KindOf(err) != gateway.KindNotFound {
		return // retried by the next full refresh
	}
	m.publish(id, g)
}

// publish updates a gateway (nil: deleted) in the snapshot.
func (m *Manager) publish(id string, g *gateway.Gateway) {
	if now := m.Known(id); g != nil && now != nil && now.Revision >= g.Revision {
		return // a notice about this instance's own change, mostly
	}
	known := false
	m.snapshots.change(func(entries map[string]*Entry) {
		if g == nil {
			_, known = entries[id]
			delete(entries, id)
			return
		}
		m.merge(entries, g)
	})
	m.kickChanged(id)
	if known {
		m.forget(id)
	}
}

// publishNewer updates a gateway in the snapshot if the snapshot has an older revision.
func (m *Manager) publishNewer(g *gateway.Gateway) {
	p := m.snapshots.current.Load()
	if p != nil && p.byID[g.ID] != nil && p.byID[g.ID].Gateway.Revision < g.Revision {
		m.publish(g.ID, g)
	}
}

// forget drops what this instance keeps of a deleted gateway.
func (m *Manager) forget(id string) {
	m.usages.Delete(id)
	m.warmNotes.Delete(id)
	m.warmCounts.Delete(id)
	m.Ledger.Forget(id)
	select {
	case m.forgotten <- id:
	default: // hundreds at once: their last logs stay
	}
}

// merge puts g into entries unless they have a newer revision. A gateway whose settings and address
// are unchanged keeps its compiled policy.
func (m *Manager) merge(entries map[string]*Entry, g *gateway.Gateway) {
	old, ok := entries[g.ID]
	if ok && old.Gateway.Revision >= g.Revision {
		return
	}
	r := m.resolve(g)
	if ok && old.PolicyError == nil && old.resolution.inForce == r.inForce && old.facts == m.facts(g) &&
		old.Gateway.Status.Address == g.Status.Address {
		same := *old
		same.Gateway, same.Ref, same.resolution, same.beside = g, g.Ref(), r, m.compileBeside(g)
		entries[g.ID] = &same
		return
	}
	entries[g.ID] = m.compile(g)
}
