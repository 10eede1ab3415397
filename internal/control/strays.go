package control

import (
	"cmp"
	"context"
	"slices"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/doctor"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/upstream"
)

// Orphan is a Livy server where this instance runs servers that belongs to no gateway, and that
// another installation started: one whose Redis was lost or replaced, or one that shares the
// machine. It is never stopped, since it may be in use.
type Orphan struct {
	// Instance identifies the container or process.
	Instance string `json:"instance"`
	// GatewayID is the id of the gateway that it was started for, which is unknown here.
	GatewayID string `json:"gatewayId"`
	// Installation is the name of the installation that started it, if it is known.
	Installation string `json:"installation,omitempty"`
	// Address is host:port of the server as reached from this instance.
	Address string    `json:"address,omitempty"`
	Started time.Time `json:"started,omitzero"`
	// Running is false if it has ended and was not removed.
	Running bool `json:"running"`
}

// Orphans lists the orphans that this instance can see.
func (m *Manager) Orphans(ctx context.Context) ([]Orphan, error) {
	ours, err := m.installation(ctx)
	if err != nil {
		return nil, err
	}
	servers, err := m.Runtime.List(ctx) // before the gateways; see reapOrphans
	if err != nil {
		return nil, gateway.Wrap(gateway.KindUnavailable, "listing Livy servers", err)
	}
	revisions, err := m.Store.GatewayRevisions(ctx)
	if err != nil {
		return nil, err
	}
	return orphansAmong(servers, ours, func(id string) bool { _, ok := revisions[id]; return ok }), nil
}

// orphansAmong returns the servers of other installations whose gateways are not known, in
// the order of their start.
func orphansAmong(servers []upstream.Instance, ours string, known func(id string) bool) []Orphan {
	all := []Orphan{}
	for _, s := range servers {
		if s.Installation == ours || known(s.GatewayID) {
			continue
		}
		all = append(all, Orphan{
			Instance: s.ID, GatewayID: s.GatewayID, Installation: s.Installation,
			Address: s.Address, Started: s.Started, Running: s.Running,
		})
	}
	slices.SortFunc(all, func(a, b Orphan) int {
		return cmp.Or(a.Started.Compare(b.Started), cmp.Compare(a.Instance, b.Instance))
	})
	return all
}

// reportOrphans logs orphans that were not there at the last call.
func (m *Manager) reportOrphans(all []Orphan) {
	seen := make(map[string]bool, len(all))
	for _, o := range all {
		seen[o.Instance] = true
		if m.orphansSeen[o.Instance] {
			continue
		}
		m.Logger.Warn("a Livy server of another installation, whose gateway is not known here, is left alone",
			zap.String("instance", o.Instance), zap.String("gateway", o.GatewayID),
			zap.String("installation", o.Installation), zap.Bool("running", o.Running))
	}
	m.orphansSeen = seen
}

// examineOrphans names the orphans.
func (m *Manager) examineOrphans(ctx context.Context) (results []doctor.Result) {
	all, err := m.Orphans(ctx)
	if err != nil {
		return nil // the checks of Redis and the runtime report it
	}
	for _, o := range all {
		state := "runs"
		if !o.Running {
			state = "has ended and was not removed"
		}
		results = append(results, doctor.Warning("orphan "+o.Instance,
			"a Livy server of installation "+cmp.Or(o.Installation, "(unknown)")+" "+state+
				"; its gateway "+o.GatewayID+" is not known here",
			"if its Redis is lost, end and remove it by hand; if another installation runs here, give it a namespace or state directory of its own"))
	}
	return results
}
