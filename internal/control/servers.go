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

// Beside a gateway's primary Livy server there may be others that take creates too (serving.go),
// servers that are to replace another one, and servers that drain (drain.go); see gateway.Server.

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
	if m.external() && (!m.moved(g) || g.WantedServers() > 1) {
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

// compileBeside returns the data path's entries of the servers beside the primary one that take
// requests, in the order of public ids.
func (m *Manager) compileBeside(g *gateway.Gateway) (entries []*Entry) {
	for i := range g.Status.Servers {
		v := &g.Status.Servers[i]
		if !v.InUse() {
			continue
		}
		e := m.compileServer(g.At(i))
		e.serves = v.State == gateway.ServerServing
		entries = append(entries, e)
	}
	slices.SortFunc(entries, func(a, b *Entry) int {
		return cmp.Compare(a.Gateway.Status.SessionBase, b.Gateway.Status.SessionBase)
	})
	return entries
}

// Holding returns the entry of the server that has the session or batch with a public id.
func (e *Entry) Holding(kind livy.Kind, publicID int64) *Entry {
	for _, d := range e.beside {
		if d.Holds(kind, publicID) {
			return d
		}
	}
	return e
}

// Holds reports whether a public id is one of the server's.
func (e *Entry) Holds(kind livy.Kind, publicID int64) bool {
	return e.Gateway.Status.Holds(kind == livy.KindBatch, publicID)
}

// Beside returns the entries of the gateway's servers besides the primary one, in the order of
// public ids.
func (e *Entry) Beside() []*Entry { return e.beside }

// busyServers is busy for all of a gateway's servers.
func (m *Manager) busyServers(ctx context.Context, g *gateway.Gateway) (bool, error) {
	work, err := m.busy(ctx, g)
	for i := range g.Status.Servers {
		if work || err != nil {
			break
		}
		if g.Status.Servers[i].InUse() {
			work, err = m.busy(ctx, g.At(i))
		}
	}
	return work, err
}

// unknownServer finds a server of the gateway whose epoch was never issued, as far as Redis
// knows.
func (m *Manager) unknownServer(ctx context.Context, g *gateway.Gateway) (upstream.Instance, bool, error) {
	for n := 1; n <= g.MostServers(); n++ {
		inst, found, err := m.Runtime.Find(ctx, gateway.ServerID(g.ID, n))
		if err != nil || found && inst.Epoch > g.Status.Issued() {
			return inst, err == nil, err
		}
	}
	return upstream.Instance{}, false, nil
}
