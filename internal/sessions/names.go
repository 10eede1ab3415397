package sessions

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/store"
)

// nameLife is how long the id of a name is cached, namesKept the number of names cached
// per gateway.
const (
	nameLife  = 10 * time.Second
	namesKept = 10_000
)

// names caches the public ids of the names that clients use in place of ids. An outdated
// entry is harmless: ids are never reused, and Livy reuses a name only once it no longer
// knows the first session, so requests with the old id get a 404. The zero value is ready
// to use.
//
// It is not an expirable.LRU of golang-lru, which has no clock that a test could set and
// cannot drop all names of one gateway.
type names struct {
	mu    sync.Mutex
	known map[string]map[nameKey]named // by gateway
}

type nameKey struct {
	kind livy.Kind
	name string
}

type named struct {
	id    int64
	until time.Time
}

func (n *names) get(gatewayID string, k nameKey, now time.Time) (int64, bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	who, ok := n.known[gatewayID][k]
	return who.id, ok && now.Before(who.until)
}

func (n *names) put(gatewayID string, k nameKey, who named) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if n.known == nil {
		n.known = make(map[string]map[nameKey]named)
	}
	if of := n.known[gatewayID]; of == nil || len(of) >= namesKept {
		n.known[gatewayID] = make(map[nameKey]named)
	}
	n.known[gatewayID][k] = who
}

// forget drops all names of a gateway, because a session or batch was created or has ended.
func (n *names) forget(gatewayID string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	delete(n.known, gatewayID)
}

// IDOf finds the public id of the session or batch that has a name now, or of one that
// ended by itself a short while ago; it fails with KindNotFound if there is none. With sure
// the cache is not used; otherwise the id may be that of a session that has just ended, which
// Livy then no longer knows.
func (l *Ledger) IDOf(
	ctx context.Context, gatewayID string, kind livy.Kind, name string, sure bool,
) (int64, error) {
	k := nameKey{kind, name}
	now := l.now()
	if !sure {
		if id, ok := l.names.get(gatewayID, k, now); ok {
			return id, nil
		}
	}
	id, err := l.store.LiveID(ctx, gatewayID, string(kind), name)
	switch {
	case err == nil:
		l.names.put(gatewayID, k, named{id: id, until: now.Add(nameLife)})
	case gateway.KindOf(err) == gateway.KindNotFound:
		return l.endedID(ctx, gatewayID, kind, name)
	}
	return id, err
}

// searchedNames is how many of the newest records are searched for a name that nobody
// has now.
const searchedNames = 200

// endedID finds what had a name last, if Livy said itself that it ended: Livy lists it for
// a while yet, and finds it by its name as by its id.
func (l *Ledger) endedID(ctx context.Context, gatewayID string, kind livy.Kind, name string) (int64, error) {
	newest, _, err := l.store.Records(ctx, gatewayID, store.RecordFilter{}, 0, searchedNames)
	if err != nil {
		return 0, err
	}
	var last *store.Record // public ids rise, also among records of one moment
	for _, r := range newest {
		if r.Kind == string(kind) && r.Name == name && r.Confirmed() && (last == nil || r.PublicID > last.PublicID) {
			last = r
		}
	}
	if last == nil || last.Live() || !endedByItself(last) {
		return 0, NoSuchName(name)
	}
	return last.PublicID, nil
}

// NoSuchName returns Livy's error for a name that no session or batch has.
func NoSuchName(name string) error {
	return gateway.Errorf(gateway.KindNotFound, "Session '%s' not found.", name)
}

// NoSuchID returns the error for an unknown public id, with Livy's own message.
func NoSuchID(publicID int64) error {
	return gateway.Errorf(gateway.KindNotFound, "%s", noSuchID(publicID))
}

func noSuchID(publicID int64) string { return fmt.Sprintf("Session '%d' not found.", publicID) }
