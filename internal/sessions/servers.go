package sessions

import (
	"context"
	"maps"
	"slices"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/store"
)

// A gateway may have several Livy servers. The ledger is given the gateway as seen from one of
// them (gateway.Gateway.At), and leaves the records of the others alone.

// onAnother reports whether a record belongs to another server than the one that g is seen from.
func onAnother(g *gateway.Gateway, r *store.Record) bool {
	return r.Epoch != g.Status.Epoch && g.Status.Serves(r.Epoch)
}

// LiveCounts counts live sessions and batches.
type LiveCounts struct {
	Sessions, Batches int
	// Starting counts those of both kinds that start.
	Starting int
}

// Total returns the number of sessions and batches.
func (n LiveCounts) Total() int { return n.Sessions + n.Batches }

// Living counts the live sessions and batches of a gateway's server, including those that Livy
// has not confirmed.
func (l *Ledger) Living(ctx context.Context, g *gateway.Gateway) (LiveCounts, error) {
	all, err := l.LivingByEpoch(ctx, g.ID)
	return all[g.Status.Epoch], err
}

// LivingByEpoch counts the live sessions and batches of each of a gateway's servers.
func (l *Ledger) LivingByEpoch(ctx context.Context, gatewayID string) (map[int64]LiveCounts, error) {
	live, err := l.store.LiveRecords(ctx, gatewayID)
	if err != nil {
		return nil, err
	}
	all := make(map[int64]LiveCounts)
	for _, r := range live {
		n := all[r.Epoch]
		if r.Kind == string(livy.KindBatch) {
			n.Batches++
		} else {
			n.Sessions++
		}
		if r.Started.IsZero() {
			n.Starting++
		}
		all[r.Epoch] = n
	}
	return all, nil
}

// keepLogsLocked keeps the last log lines that a server lists, and drops those of servers that
// the gateway has no more. It requires l.mu.
func (l *Ledger) keepLogsLocked(g *gateway.Gateway, logs map[string][]string) {
	if l.logs[g.ID] == nil {
		l.logs[g.ID] = make(map[int64]map[string][]string)
	}
	l.logs[g.ID][g.Status.Epoch] = logs
	maps.DeleteFunc(l.logs[g.ID], func(epoch int64, _ map[string][]string) bool { return !g.Status.Serves(epoch) })
}

// LiveIDOf returns the public id of the live session or batch that has a name, on whichever
// server.
func (l *Ledger) LiveIDOf(ctx context.Context, gatewayID string, kind livy.Kind, name string) (id int64, ok bool, err error) {
	id, err = l.store.LiveID(ctx, gatewayID, string(kind), name)
	if gateway.KindOf(err) == gateway.KindNotFound {
		return -1, false, nil
	}
	return id, err == nil, err
}

// highestIDs are the highest public ids that a server is known to have issued.
type highestIDs struct{ session, batch int64 }

// noteID notes that a server issued a public id.
func (l *Ledger) noteID(g *gateway.Gateway, kind livy.Kind, publicID int64) {
	if !g.Status.Bounded() {
		return
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	all := l.highest[g.ID]
	if all == nil {
		all = make(map[int64]highestIDs)
		l.highest[g.ID] = all
	}
	ids := all[g.Status.Epoch]
	if kind == livy.KindBatch {
		ids.batch = max(ids.batch, publicID)
	} else {
		ids.session = max(ids.session, publicID)
	}
	all[g.Status.Epoch] = ids
	maps.DeleteFunc(all, func(epoch int64, _ highestIDs) bool { return !g.Status.Serves(epoch) })
}

// Highest returns the highest public ids of a gateway's server that this instance knows of, if
// other servers' ids follow; otherwise 0.
func (l *Ledger) Highest(g *gateway.Gateway) (session, batch int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	ids := l.highest[g.ID][g.Status.Epoch]
	return ids.session, ids.batch
}

// inRange removes what has a public id that is not the server's: a server that somebody else runs
// may have used more ids than it is given.
func inRange(g *gateway.Gateway, listed []seen) []seen {
	if !g.Status.Bounded() {
		return listed
	}
	return slices.DeleteFunc(listed, func(s seen) bool {
		return !g.Status.Holds(s.kind == livy.KindBatch, Base(g, s.kind)+s.id)
	})
}
