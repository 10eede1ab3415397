package control

import (
	"context"
	"errors"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
)

// A deletion is a desired state: once Delete has stored it, nothing can start or change the
// gateway any more, and the gateway's reconciler carries it out, whatever happens to the
// caller and to the instances. The gateway itself is removed last. Until then it is shown as
// Deleting and its name is taken.

// actionDelete is the audit log's name for the request to delete a gateway.
const actionDelete = "gateway.delete"

// deleteTimeout bounds how long Delete waits for a deletion.
const deleteTimeout = time.Minute

// deletionStep names a part of a deletion.
type deletionStep string

// The steps of a deletion, in their order. Each can be repeated.
const (
	stopServer    deletionStep = "stopping the Livy server"
	revokeTokens  deletionStep = "revoking the tokens"
	removeRecords deletionStep = "removing the records"
	removeGateway deletionStep = "removing the gateway"
)

// Delete requests the deletion of a gateway with its tokens and records, and waits up to
// deleteTimeout for it. It returns nil if the gateway is gone, or else the gateway, whose
// deletion goes on. Without force it fails with KindConflict if the gateway is to run.
// Deleting a gateway that is being deleted is not an error.
func (m *Manager) Delete(
	ctx context.Context, g *gateway.Gateway, force bool, o gateway.Order,
) (*gateway.Gateway, error) {
	marked, err := m.updateAs(ctx, actionDelete, o, g.ID, func(g *gateway.Gateway) error {
		if err := checkNotDeclared(g, "removed"); err != nil {
			return err
		}
		switch {
		case g.Desired == gateway.StateDeleting:
			return errUnchanged
		case g.Desired == gateway.StateRunning && !force:
			return gateway.Errorf(gateway.KindConflict, "gateway %q is running: stop it first, or use force",
				g.Spec.Name)
		}
		g.Desired = gateway.StateDeleting
		g.Status.ForgetFailures()
		g.Enter(gateway.StateDeleting, string(stopServer), o.Actor, m.Now())
		return nil
	})
	if err != nil {
		return nil, err
	}
	m.kick(g.ID)
	return m.awaitDeletion(ctx, marked)
}

// awaitDeletion waits until a gateway is gone, for at most deleteTimeout.
func (m *Manager) awaitDeletion(ctx context.Context, g *gateway.Gateway) (*gateway.Gateway, error) {
	limit := time.NewTimer(deleteTimeout)
	defer limit.Stop()
	for {
		changed := m.snapshots.next()
		now, err := m.Store.Gateway(ctx, g.ID)
		switch {
		case gateway.KindOf(err) == gateway.KindNotFound:
			m.publish(g.ID, nil)
			return nil, nil
		case err == nil:
			g = now
		case ctx.Err() == nil && gateway.KindOf(err) != gateway.KindUnavailable:
			return nil, err // the deletion has been requested, and goes on when Redis is back
		}
		select {
		case <-changed:
		case <-time.After(time.Second): // in case a change is missed
		case <-limit.C:
			return g, nil
		case <-ctx.Done():
			return g, nil
		}
	}
}

// checkNotDeleting returns an error if the gateway is being deleted.
func checkNotDeleting(g *gateway.Gateway) error {
	if g.Desired != gateway.StateDeleting {
		return nil
	}
	return gateway.Errorf(gateway.KindConflict,
		"gateway %q is being deleted (%s); its name can be used again once it is gone", g.Spec.Name, g.Status.Reason)
}

// delete takes all steps of a deletion. If one fails, it begins again with the first.
func (r *reconciler) delete(ctx context.Context) error {
	g, err := r.update(ctx, func(g *gateway.Gateway) error {
		retired := g.Status.Retired == g.Status.Epoch && g.Status.Instance == ""
		if retired && g.Status.State == gateway.StateDeleting {
			return errUnchanged
		}
		g.Status.Retired = g.Status.Epoch
		clearInstance(g)
		g.Enter(gateway.StateDeleting, string(stopServer), gateway.SystemActor, r.m.Now())
		return nil
	})
	if err != nil {
		return err
	}
	for _, step := range []deletionStep{stopServer, revokeTokens, removeRecords, removeGateway} {
		if err := r.deletionStep(ctx, g, step); err != nil {
			r.showDeletionFailure(ctx, step, err)
			return err
		}
	}
	r.m.Logger.Info("gateway deleted", zap.String("gateway", g.ID), zap.String("name", g.Ref()))
	r.m.publish(g.ID, nil)
	r.m.reportStopped(g)
	return nil
}

// reportStopped reports the end of a deleted gateway's server, if it had one.
func (m *Manager) reportStopped(g *gateway.Gateway) {
	switch deletion(g).From {
	case gateway.StateCreated, gateway.StateStopped, gateway.StateError:
		return
	default: // it had a server
	}
	if m.OnTransition != nil {
		stopped := *g
		stopped.Enter(gateway.StateStopped, "deleted", deletion(g).Actor, m.Now())
		m.OnTransition(&stopped)
	}
}

func (r *reconciler) deletionStep(ctx context.Context, g *gateway.Gateway, step deletionStep) error {
	m := r.m
	if m.beforeDeletionStep != nil {
		if err := m.beforeDeletionStep(step); err != nil {
			return err
		}
	}
	switch step {
	case stopServer:
		return m.Runtime.Stop(ctx, g.ServerID(), g.Status.Epoch)
	case revokeTokens:
		return m.Tokens.RevokeAll(ctx, gateway.By(deletion(g).Actor), g.ID)
	case removeRecords:
		return m.Store.DeleteRecords(ctx, g.ID)
	default:
		return m.Store.DeleteGateway(ctx, r.fence, g)
	}
}

// showDeletionFailure makes a failed step the reason that is shown for the gateway.
func (r *reconciler) showDeletionFailure(ctx context.Context, step deletionStep, err error) {
	if ctx.Err() != nil || errors.Is(err, store.ErrFenced) || errors.Is(err, store.ErrRevision) {
		return
	}
	reason := string(step) + " failed and is retried: " + err.Error()
	_, _ = r.update(ctx, func(g *gateway.Gateway) error { // without Redis there is nothing to show
		if g.Status.Reason == reason {
			return errUnchanged
		}
		g.Enter(gateway.StateDeleting, reason, gateway.SystemActor, r.m.Now())
		return nil
	})
}

// deletion returns the transition that the request for a gateway's deletion made.
func deletion(g *gateway.Gateway) gateway.Transition {
	for _, t := range g.History {
		if t.To == gateway.StateDeleting {
			return t
		}
	}
	return gateway.Transition{Actor: gateway.SystemActor}
}

// deletedRest is how long after a deletion other instances may still write records.
const deletedRest = time.Minute

// sweepDeleted removes what was written for deleted gateways while they were being deleted.
func (m *Manager) sweepDeleted(ctx context.Context) {
	ids, err := m.Store.DeletedGateways(ctx, m.Now().Add(-deletedRest))
	for _, id := range ids {
		if err = m.Tokens.RevokeAll(ctx, gateway.By(gateway.SystemActor), id); err != nil {
			break
		}
		if err = m.Store.DeleteRecords(ctx, id); err == nil {
			err = m.Store.ForgetDeleted(ctx, id)
		}
		if err != nil {
			break
		}
	}
	if err != nil && ctx.Err() == nil {
		m.Logger.Warn("cannot remove the data of deleted gateways", zap.Error(err))
	}
}
