package control

import (
	"cmp"
	"context"
	"slices"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/upstream"
)

// A gateway's primary Livy server takes all creates. Beside it there may be a server that is to
// take its place, and servers that drain: see gateway.Server and drain.go.

// Replace requests that a new Livy server takes the place of a running gateway's present one,
// which keeps its sessions and batches until they end, at most for the given time. It does not
// wait. A gateway that is not running has nothing to keep and is restarted.
func (m *Manager) Replace(
	ctx context.Context, g *gateway.Gateway, drain time.Duration, o gateway.Order,
) (*gateway.Gateway, error) {
	updated, err := m.updateAs(ctx, "gateway.restart", o, g.ID, func(g *gateway.Gateway) error {
		return m.replace(g, drain, o.Actor)
	})
	if err == nil {
		m.kick(g.ID)
	}
	return updated, err
}

func (m *Manager) replace(g *gateway.Gateway, drain time.Duration, actor string) error {
	if drain < time.Second || drain > gateway.MaxDrain {
		return gateway.Invalid("drain", drain.String(), "must be from 1s to "+gateway.MaxDrain.String())
	}
	if g.Desired != gateway.StateRunning || g.Status.State != gateway.StateRunning {
		return m.restart(g, actor)
	}
	if w := g.Spec.Warehouse; w != "" && g.Spec.Metastore() == "" {
		return gateway.Errorf(gateway.KindConflict,
			"gateway %q cannot be drained: the tables of its warehouse %s can be open in one Livy server only; "+
				"restart without draining, or use a metastore of your own (thrift://HOST:PORT)", g.Spec.Name, w)
	}
	if m.external() && !m.moved(g) {
		return gateway.Errorf(gateway.KindConflict,
			"gateway %q cannot be drained: its engine names the Livy server at %s, which is in use; "+
				"name another one in the engine's url first, or restart without draining",
			g.Spec.Name, g.Status.Address)
	}
	if livy.IsURL(g.Status.Address) {
		return gateway.Errorf(gateway.KindConflict,
			"gateway %q cannot be drained: the configuration does not have the path or the login of the Livy server at %s "+
				"any more; restart without draining", g.Spec.Name, g.Status.Address)
	}
	return g.Replace(drain, m.Now())
}

// compileDraining returns the data path's entries of a gateway's draining servers, in the order
// of public ids.
func (m *Manager) compileDraining(g *gateway.Gateway) (entries []*Entry) {
	for i := range g.Status.Servers {
		v := &g.Status.Servers[i]
		if v.State != gateway.ServerDraining {
			continue
		}
		e := m.compileServer(g.At(i))
		e.sessionEnd, e.batchEnd = v.SessionEnd, v.BatchEnd
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b *Entry) int {
		return cmp.Compare(a.Gateway.Status.SessionBase, b.Gateway.Status.SessionBase)
	})
	return entries
}

// Holding returns the entry of the server that has the session or batch with a public id: a
// draining server, or the primary one.
func (e *Entry) Holding(kind livy.Kind, publicID int64) *Entry {
	for _, d := range e.draining {
		base, end := d.Gateway.Status.SessionBase, d.sessionEnd
		if kind == livy.KindBatch {
			base, end = d.Gateway.Status.BatchBase, d.batchEnd
		}
		if publicID >= base && publicID < end {
			return d
		}
	}
	return e
}

// Draining returns the entries of the gateway's draining servers, in the order of public ids.
func (e *Entry) Draining() []*Entry { return e.draining }

// busyServers is busy for all of a gateway's servers.
func (m *Manager) busyServers(ctx context.Context, g *gateway.Gateway) (bool, error) {
	work, err := m.busy(ctx, g)
	for i := range g.Status.Servers {
		if work || err != nil {
			break
		}
		if g.Status.Servers[i].State == gateway.ServerDraining {
			work, err = m.busy(ctx, g.At(i))
		}
	}
	return work, err
}

// unknownServer finds a server of the gateway whose epoch was never issued, as far as Redis
// knows.
func (m *Manager) unknownServer(ctx context.Context, g *gateway.Gateway) (upstream.Instance, bool, error) {
	for n := 1; n <= gateway.MaxServers; n++ {
		inst, found, err := m.Runtime.Find(ctx, gateway.ServerID(g.ID, n))
		if err != nil || found && inst.Epoch > g.Status.Issued() {
			return inst, err == nil, err
		}
	}
	return upstream.Instance{}, false, nil
}
