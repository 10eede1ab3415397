package control

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
)

// CreateRequest describes a gateway to create.
type CreateRequest struct {
	Workspace string       `json:"workspace"`
	Spec      gateway.Spec `json:"spec"`
	// Start starts the gateway right after it is created.
	Start bool `json:"start"`
	// Origin identifies the caller.
	gateway.Origin `json:"-"`
}

// Create checks and stores a new gateway.
func (m *Manager) Create(ctx context.Context, r CreateRequest) (*gateway.Gateway, error) {
	return m.create(ctx, r, false)
}

func (m *Manager) create(ctx context.Context, r CreateRequest, declared bool) (*gateway.Gateway, error) {
	if r.Workspace == "" {
		r.Workspace = gateway.DefaultWorkspace
	}
	if err := gateway.ValidateName("workspace", r.Workspace); err != nil {
		return nil, err
	}
	id, err := gateway.NewID("lc-", m.Rand)
	if err != nil {
		return nil, err
	}
	now := m.Now().UTC()
	g := &gateway.Gateway{
		ID: id, Workspace: r.Workspace, Spec: r.Spec,
		Desired: gateway.StateStopped, Declared: declared, CreatedBy: r.Actor, CreatedAt: now, UpdatedAt: now,
	}
	g.Enter(gateway.StateCreated, "", r.Actor, now)
	if r.Start {
		g.Desired = gateway.StateRunning
	}
	if err := m.check(g); err != nil {
		return nil, err
	}
	audit := newAuditEntry("gateway.create", r.Actor, nil, g)
	write := store.Write{Order: gateway.Order{Origin: r.Origin}, Audit: &audit}
	if err := m.Store.SaveGateway(ctx, g, write); err != nil {
		return nil, err
	}
	m.publish(g.ID, g)
	return g, nil
}

// check returns the first error in a gateway's settings.
func (m *Manager) check(g *gateway.Gateway) error { return m.resolve(g).wanted.Check(m.facts(g)) }

// Start requests the start of a gateway. It does not wait; the gateway's state shows the
// progress. Starting a running gateway is not an error.
func (m *Manager) Start(ctx context.Context, g *gateway.Gateway, o gateway.Order) (*gateway.Gateway, error) {
	return m.want(ctx, g, gateway.StateRunning, o.Actor, "", o)
}

// Stop requests the stop of a gateway, which ends its sessions. It does not wait.
// Stopping a stopped gateway is not an error.
func (m *Manager) Stop(ctx context.Context, g *gateway.Gateway, o gateway.Order) (*gateway.Gateway, error) {
	return m.want(ctx, g, gateway.StateStopped, o.Actor, "", o)
}

// Restart requests that a running gateway's Livy server is stopped, which ends its
// sessions, and a new one started. It does not wait.
func (m *Manager) Restart(ctx context.Context, g *gateway.Gateway, o gateway.Order) (*gateway.Gateway, error) {
	updated, err := m.updateAs(ctx, "gateway.restart", o, g.ID, func(g *gateway.Gateway) error {
		return m.restart(g, o.Actor)
	})
	if err == nil {
		m.kick(g.ID)
	}
	return updated, err
}

// restart marks a gateway's server for replacement: the reconciler stops a server that is
// not recorded before it starts a new one.
func (m *Manager) restart(g *gateway.Gateway, actor string) error {
	if g.Desired != gateway.StateRunning {
		return gateway.Errorf(gateway.KindConflict, "gateway %q is stopped: start it", g.Spec.Name)
	}
	g.Status.ForgetFailures()
	g.Status.ReplaceFailure = nil
	g.Status.EndServers("the gateway was restarted", m.Now(), nil)
	g.Enter(gateway.StateStopping, "restarting", actor, m.Now())
	clearInstance(g)
	return nil
}

// want changes the desired state of a gateway. The history names actor, which differs from
// the caller if a request wakes the gateway; why is shown while it starts.
func (m *Manager) want(
	ctx context.Context, g *gateway.Gateway, desired gateway.State, actor, why string, o gateway.Order,
) (*gateway.Gateway, error) {
	action := "gateway.start"
	switch {
	case desired == gateway.StateStopped:
		action = "gateway.stop"
	case actor == gateway.SystemActor:
		action = "gateway.wake"
	}
	updated, err := m.updateAs(ctx, action, o, g.ID, func(g *gateway.Gateway) error {
		if g.Desired == desired && g.Status.State != gateway.StateError {
			return errUnchanged
		}
		g.Desired = desired
		g.Status.ForgetFailures()
		if desired == gateway.StateRunning {
			if why == "" {
				why = "waiting for the Livy server"
			}
			g.Enter(gateway.StateStarting, why, actor, m.Now())
			clearInstance(g)
		} else if g.Status.State != gateway.StateCreated {
			g.Enter(gateway.StateStopping, why, actor, m.Now())
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	m.kick(g.ID)
	return updated, nil
}

// Logs returns the last lines of the Livy server's output. When they are kept
// where another instance runs, the error of KindConflict says so.
func (m *Manager) Logs(ctx context.Context, g *gateway.Gateway, lines int) ([]string, error) {
	text, err := m.Runtime.Logs(ctx, g.ServerID(), lines)
	if err != nil || len(text) > 0 {
		return text, err
	}
	if location := g.Status.Location; location != "" && location != m.leaseholder.currentLocation() {
		return nil, gateway.Errorf(gateway.KindConflict, "the Livy server of gateway %q runs at %s: ask an instance there%s",
			g.Spec.Name, location, m.others(location))
	}
	if others := m.others(""); others != "" && g.Status.State != gateway.StateCreated {
		return nil, gateway.Errorf(gateway.KindConflict, "this instance has no log of gateway %q; the instance that stopped it may have it%s",
			g.Spec.Name, others)
	}
	return nil, nil
}

// others names the other instances, or those at a location if it is not empty.
func (m *Manager) others(location string) string {
	var names []string
	for _, in := range m.leaseholder.peers() {
		if location == "" || in.Location == location {
			names = append(names, in.Name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return " (" + strings.Join(names, ", ") + ")"
}

// errUnchanged makes an update return without writing.
var errUnchanged = errors.New("unchanged")

// update changes a stored gateway under a fence; f may run several times if the gateway
// is changed concurrently. A change of the gateway's state gets an audit entry, with the
// actor of the transition.
func (m *Manager) update(
	ctx context.Context, fence store.Fence, id string, f func(*gateway.Gateway) error,
) (*gateway.Gateway, error) {
	return m.change(ctx, "", store.Write{Fence: fence}, id, f)
}

// updateAs is update for a requested change: the audit log records it as the action,
// whatever it changes.
func (m *Manager) updateAs(
	ctx context.Context, action string, o gateway.Order, id string, f func(*gateway.Gateway) error,
) (*gateway.Gateway, error) {
	return m.change(ctx, action, store.Write{Order: o}, id, f)
}

// change implements update and updateAs. It fails with KindStale if the write requires
// another revision.
func (m *Manager) change(
	ctx context.Context, action string, w store.Write, id string, f func(*gateway.Gateway) error,
) (*gateway.Gateway, error) {
	for range 20 {
		g, err := m.Store.Gateway(ctx, id)
		if err != nil {
			return nil, err
		}
		if err := w.Check(id, g.Revision); err != nil {
			return nil, err
		}
		if action != "" && action != actionDelete {
			if err := checkNotDeleting(g); err != nil {
				return nil, err
			}
		}
		before := *g
		if err := f(g); err != nil {
			if errors.Is(err, errUnchanged) {
				m.publishNewer(g) // another instance may have made the change
				return g, nil
			}
			return nil, err
		}
		g.UpdatedAt = m.Now().UTC()
		w.Audit = changeEntry(action, w.Actor, &before, g)
		err = m.Store.SaveGateway(ctx, g, w)
		if err == nil {
			m.publish(id, g)
			if m.OnTransition != nil && before.Status.State != g.Status.State {
				m.OnTransition(g)
			}
			return g, nil
		}
		if !errors.Is(err, store.ErrRevision) {
			return nil, err
		}
	}
	return nil, gateway.Errorf(gateway.KindConflict, "gateway %s keeps being changed by others; try again", id)
}

func clearInstance(g *gateway.Gateway) {
	g.Status.Instance, g.Status.Address, g.Status.LivyVersion, g.Status.Launched = "", "", "", nil
	g.Status.StartedWith, g.Status.LaunchDefaults = nil, nil
	g.Status.Unseen, g.Status.FusionOff = "", ""
	g.Status.UnresponsiveSince = time.Time{}
}
