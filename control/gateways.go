package control

import (
	"context"
	"errors"
	"time"

	"github.com/livygateway/livygateway/gateway"
	"github.com/livygateway/livygateway/store"
)

// CreateRequest is what it takes to create a gateway.
type CreateRequest struct {
	Workspace string       `json:"workspace"`
	Spec      gateway.Spec `json:"spec"`
	// Start starts the gateway right after it was created.
	Start bool `json:"start"`
	// Actor is who asked, for the record.
	Actor string `json:"-"`
}

// Create checks and stores a new gateway.
func (m *Manager) Create(ctx context.Context, r CreateRequest) (*gateway.Gateway, error) {
	if r.Workspace == "" {
		r.Workspace = gateway.DefaultWorkspace
	}
	if err := gateway.ValidateName("workspace", r.Workspace); err != nil {
		return nil, err
	}
	catalog := &m.settings.Load().Catalog
	id, err := gateway.NewID("lc-", m.Rand)
	if err != nil {
		return nil, err
	}
	now := m.Now().UTC()
	g := &gateway.Gateway{
		ID: id, Workspace: r.Workspace, Spec: r.Spec.WithDefaults(catalog),
		Desired: gateway.StateStopped, CreatedBy: r.Actor, CreatedAt: now, UpdatedAt: now,
		Status: gateway.Status{State: gateway.StateCreated, Since: now},
	}
	if r.Start {
		g.Desired = gateway.StateRunning
	}
	if err := g.Spec.Validate(catalog); err != nil {
		return nil, err
	}
	if err := m.checkFiles(g); err != nil {
		return nil, err
	}
	if err := m.Store.SaveGateway(ctx, g); err != nil {
		return nil, err
	}
	m.show(g.ID, g)
	return g, nil
}

// checkFiles checks what Spec.Validate cannot: the texts of the conf files.
func (m *Manager) checkFiles(g *gateway.Gateway) error {
	if _, err := m.compilePolicy(g, "", ""); err != nil {
		return err
	}
	_, _, err := m.render(g)
	return err
}

// Get finds a gateway by workspace and name or id, as stored now.
func (m *Manager) Get(ctx context.Context, workspace, nameOrID string) (*gateway.Gateway, error) {
	all, err := m.List(ctx, workspace)
	if err != nil {
		return nil, err
	}
	for _, g := range all {
		if g.ID == nameOrID || g.Spec.Name == nameOrID {
			return g, nil
		}
	}
	return nil, gateway.Errorf(gateway.KindNotFound, "no gateway %q in workspace %q", nameOrID, workspace)
}

// List returns the gateways of a workspace (all of them if it is empty), as
// stored now, ordered by workspace and name.
func (m *Manager) List(ctx context.Context, workspace string) ([]*gateway.Gateway, error) {
	all, err := m.Store.Gateways(ctx)
	if err != nil {
		return nil, err
	}
	return sorted(all, workspace), nil
}

// Start asks for a gateway to run. It returns at once; the gateway's state
// tells when it does. Starting what runs is no error.
func (m *Manager) Start(ctx context.Context, g *gateway.Gateway) (*gateway.Gateway, error) {
	return m.want(ctx, g, gateway.StateRunning)
}

// Stop asks for a gateway to be stopped, which ends its sessions. It returns at
// once. Stopping what is stopped is no error.
func (m *Manager) Stop(ctx context.Context, g *gateway.Gateway) (*gateway.Gateway, error) {
	return m.want(ctx, g, gateway.StateStopped)
}

func (m *Manager) want(ctx context.Context, g *gateway.Gateway, desired gateway.State) (*gateway.Gateway, error) {
	updated, err := m.update(ctx, g.ID, func(g *gateway.Gateway) error {
		if g.Desired == desired && g.Status.State != gateway.StateError {
			return errUnchanged
		}
		g.Desired = desired
		g.Status.Restarts = 0
		if desired == gateway.StateRunning {
			m.setState(g, gateway.StateStarting, "waiting for the Livy server")
			clearInstance(g)
		} else if g.Status.State != gateway.StateCreated {
			m.setState(g, gateway.StateStopping, "")
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	m.kick(g.ID)
	return updated, nil
}

// Delete removes a stopped gateway with its tokens and records. With force a
// running one is stopped first.
func (m *Manager) Delete(ctx context.Context, g *gateway.Gateway, force bool) error {
	if g.Desired == gateway.StateRunning && !force {
		return gateway.Errorf(gateway.KindConflict, "gateway %q is running: stop it first, or force", g.Spec.Name)
	}
	// From here on the worker does not start it again.
	if _, err := m.update(ctx, g.ID, func(g *gateway.Gateway) error {
		g.Desired = gateway.StateStopped
		return nil
	}); err != nil {
		return err
	}
	unlock := m.lock(g.ID)
	defer unlock()
	if err := m.Runtime.Stop(ctx, g.ID); err != nil {
		return gateway.Wrap(gateway.KindUnavailable, "stopping the Livy server", err)
	}
	if err := m.Tokens.RevokeAll(ctx, g.ID); err != nil {
		return err
	}
	if err := m.Store.DeleteGateway(ctx, g); err != nil {
		return err
	}
	m.show(g.ID, nil)
	return m.Store.DeleteRecords(ctx, g.ID)
}

// Logs returns the last lines of the Livy server's output.
func (m *Manager) Logs(ctx context.Context, g *gateway.Gateway, lines int) ([]string, error) {
	return m.Runtime.Logs(ctx, g.ID, lines)
}

// errUnchanged lets an update end without writing.
var errUnchanged = errors.New("unchanged")

// update changes a stored gateway; change may run several times when others
// change it too.
func (m *Manager) update(ctx context.Context, id string, change func(*gateway.Gateway) error) (*gateway.Gateway, error) {
	for range 20 {
		g, err := m.Store.Gateway(ctx, id)
		if err != nil {
			return nil, err
		}
		if err := change(g); err != nil {
			if errors.Is(err, errUnchanged) {
				return g, nil
			}
			return nil, err
		}
		g.UpdatedAt = m.Now().UTC()
		err = m.Store.SaveGateway(ctx, g)
		if err == nil {
			m.show(id, g)
			return g, nil
		}
		if !errors.Is(err, store.ErrRevision) {
			return nil, err
		}
	}
	return nil, gateway.Errorf(gateway.KindConflict, "gateway %s is being changed by others all the time", id)
}

func (m *Manager) setState(g *gateway.Gateway, s gateway.State, reason string) {
	if g.Status.State != s {
		g.Status.Since = m.Now().UTC().Truncate(time.Millisecond)
	}
	g.Status.State, g.Status.Reason = s, reason
}

func clearInstance(g *gateway.Gateway) {
	g.Status.Instance, g.Status.Address, g.Status.LivyVersion = "", "", ""
}
