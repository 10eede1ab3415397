package control

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/resolved"
)

// Declaration is a gateway that is declared in the configuration. Its settings can be
// changed only there; its tokens, its records and whether it runs are managed as for
// other gateways.
type Declaration struct {
	// Workspace and the Spec's name identify the gateway. Default "default".
	Workspace string
	Spec      gateway.Spec
	// Manual leaves the gateway stopped until a person or a request starts it. Default: it
	// is started when it appears in the configuration.
	Manual bool
	// Notes are warnings for the operator, e.g. that one of its files is empty.
	Notes []string
	// Typos lists keys in its settings that look mistyped; see resolved.Gateway.Typos.
	// CheckDeclared sets it.
	Typos []string
}

func (d Declaration) ref() string { return d.Workspace + "/" + d.Spec.Name }

// declaredNotes returns the notes of a gateway's declaration.
func (m *Manager) declaredNotes(g *gateway.Gateway) []string {
	if list := m.declared.Load(); list != nil {
		for _, d := range *list {
			if d.ref() == g.Ref() {
				return d.Notes
			}
		}
	}
	return nil
}

// CheckDeclared checks the gateways of a configuration as far as possible without I/O. It
// fills in missing workspaces and sets Typos. Errors name the gateway.
func CheckDeclared(s *resolved.Settings, list []Declaration) error {
	seen := make(map[string]bool, len(list))
	for i := range list {
		d := &list[i]
		if d.Workspace == "" {
			d.Workspace = gateway.DefaultWorkspace
		}
		if err := checkDeclared(s, d); err != nil {
			return fmt.Errorf("gateway %q: %w", d.Spec.Name, err)
		}
		if seen[d.ref()] {
			return gateway.Invalid("name", d.Spec.Name, "is declared twice in workspace "+d.Workspace)
		}
		seen[d.ref()] = true
	}
	return nil
}

func checkDeclared(s *resolved.Settings, d *Declaration) error {
	if err := gateway.ValidateName("workspace", d.Workspace); err != nil {
		return err
	}
	r := resolved.New(s, d.Spec)
	d.Typos = r.Typos()
	if err := r.Check(resolved.Facts{ID: "lc-declared"}); err != nil {
		return err
	}
	if d.Spec.Identity == "" && r.Impersonates() {
		return gateway.Invalid("identity", "", "must be set with livy.impersonation.enabled: "+
			"a gateway declared in the configuration has no creator whose name jobs could run under")
	}
	return nil
}

// Declare applies the gateways that the configuration in force declares. New gateways are
// created and started. Changed gateways get their settings; a change that needs a restart
// waits for one. Gateways that are no longer declared are stopped; they keep their tokens
// and records and can be changed and deleted from then on. An existing gateway of the same
// name is taken over. Declare does not block: it is retried in the background until
// everything is stored. The list must have passed CheckDeclared.
func (m *Manager) Declare(list []Declaration) {
	m.declared.Store(&list)
	select {
	case m.declare <- struct{}{}:
	default:
	}
}

// declareRetry is the pause between two attempts to apply the declarations.
const declareRetry = time.Second

// followDeclarations applies the latest list passed to Declare, until ctx ends.
func (m *Manager) followDeclarations(ctx context.Context) {
	var failing outage
	for {
		select {
		case <-ctx.Done():
			return
		case <-m.declare:
		}
		err := m.applyDeclarations(ctx, *m.declared.Load())
		if err == nil && failing.ends() {
			m.Logger.Info("applied all gateways of the configuration")
		}
		if err != nil && ctx.Err() == nil {
			if failing.begins(err) {
				m.Logger.Error("cannot apply all gateways of the configuration; retrying", zap.Error(err))
			}
			select {
			case <-ctx.Done():
				return
			case <-time.After(declareRetry):
			}
			select {
			case m.declare <- struct{}{}:
			default: // a newer configuration is already waiting
			}
		}
	}
}

// applyDeclarations applies as many declarations as possible and returns the errors of the rest.
func (m *Manager) applyDeclarations(ctx context.Context, list []Declaration) error {
	all, err := m.Store.Gateways(ctx)
	if err != nil {
		return err
	}
	stored := make(map[string]*gateway.Gateway, len(all))
	for _, g := range all {
		stored[g.Ref()] = g
	}
	var errs []error
	for i := range list {
		d := &list[i]
		if g := stored[d.ref()]; g != nil {
			errs = append(errs, m.redeclare(ctx, g, d))
			delete(stored, d.ref())
			continue
		}
		_, err := m.create(ctx, CreateRequest{
			Workspace: d.Workspace, Spec: d.Spec, Start: !d.Manual,
			Origin: gateway.Origin{Actor: gateway.ConfigActor},
		}, true)
		errs = append(errs, err)
	}
	for _, g := range stored {
		if g.Declared {
			errs = append(errs, m.undeclare(ctx, g))
		}
	}
	return errors.Join(errs...)
}

// redeclare gives a stored gateway the settings of the configuration. Its desired state
// stays, unless the gateway was not declared before.
func (m *Manager) redeclare(ctx context.Context, g *gateway.Gateway, d *Declaration) error {
	_, err := m.updateAs(ctx, "gateway.declare", gateway.By(gateway.ConfigActor), g.ID,
		func(g *gateway.Gateway) error {
			if g.Declared && sameSpec(&g.Spec, &d.Spec) {
				return errUnchanged
			}
			if !g.Declared {
				m.Logger.Info("the configuration now declares an existing gateway",
					zap.String("gateway", g.ID), zap.String("name", g.Ref()))
				if !d.Manual && g.Desired != gateway.StateRunning {
					g.Desired = gateway.StateRunning
					g.Status.ForgetFailures()
					g.Enter(gateway.StateStarting, "declared in the configuration", gateway.ConfigActor, m.Now())
					clearInstance(g)
				}
			}
			g.Declared = true
			g.Change(d.Spec)
			return nil
		})
	m.kick(g.ID)
	return err
}

// undeclare stops a gateway that is no longer in the configuration.
func (m *Manager) undeclare(ctx context.Context, g *gateway.Gateway) error {
	_, err := m.updateAs(ctx, "gateway.undeclare", gateway.By(gateway.ConfigActor), g.ID,
		func(g *gateway.Gateway) error {
			if !g.Declared {
				return errUnchanged
			}
			g.Declared = false
			if g.Desired == gateway.StateRunning {
				g.Desired = gateway.StateStopped
				g.Enter(gateway.StateStopping, "no longer in the configuration", gateway.ConfigActor, m.Now())
			}
			return nil
		})
	m.kick(g.ID)
	return err
}

func sameSpec(a, b *gateway.Spec) bool {
	x, errX := json.Marshal(a)
	y, errY := json.Marshal(b)
	return errX == nil && errY == nil && bytes.Equal(x, y)
}

// checkNotDeclared returns an error if the gateway is declared in the configuration.
func checkNotDeclared(g *gateway.Gateway, what string) error {
	if !g.Declared {
		return nil
	}
	return gateway.Errorf(gateway.KindConflict,
		"gateway %q is declared in the configuration of Caddy and can only be %s there", g.Spec.Name, what)
}
