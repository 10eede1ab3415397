package sessions

import (
	"context"
	"maps"

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
}

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
