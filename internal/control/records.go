package control

import (
	"context"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/sessions"
	"github.com/livygateway/livygateway/internal/store"
)

// closeTimeout bounds how long Livy may take to end a session or batch.
const closeTimeout = time.Minute

// CloseRecord ends a session or batch; its record stays. Closing what has ended is
// no error. The audit's entry is written first: it tells that somebody closed it,
// also where Livy then fails to.
func (m *Manager) CloseRecord(ctx context.Context, g *gateway.Gateway, r *store.Record, by gateway.Origin) (*store.Record, error) {
	switch {
	case !r.Live():
		return r, nil
	case !r.Confirmed():
		return nil, gateway.Errorf(gateway.KindConflict, "Livy has not confirmed %s yet: try again in a moment", r.ID)
	case g.Status.State != gateway.StateRunning || r.Epoch != g.Status.Epoch:
		return nil, gateway.Errorf(gateway.KindUnavailable, "the Livy server of gateway %q does not run (state %s)", g.Spec.Name, g.Status.State)
	}
	if err := m.Store.AppendAudit(ctx, recordEntry("record.close", g, r).By(by)); err != nil {
		return nil, err
	}
	asking, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	if err := m.Livy(g).Delete(asking, livy.Kind(r.Kind), r.LivyID); err != nil {
		return nil, gateway.Wrap(gateway.KindUnavailable, "closing "+r.ID, err)
	}
	m.Ledger.Deleted(ctx, g, livy.Kind(r.Kind), r.PublicID, by.Actor)
	m.PollSoon(g.ID)
	return m.Store.RecordByID(ctx, g.ID, r.ID)
}

// LinkSparkUI signs a link with which a browser can open the Spark UI of a
// session or batch for a while. path goes after the address of the gateway's site.
func (m *Manager) LinkSparkUI(ctx context.Context, g *gateway.Gateway, r *store.Record, by gateway.Origin) (path string, expires time.Time, err error) {
	if len(r.SparkUI) == 0 || r.SparkUI[0] != '/' || !r.Live() && m.History() == nil {
		return "", time.Time{}, gateway.Errorf(gateway.KindConflict, "%s %s has no Spark UI that this gateway serves (state %s)", r.Kind, r.ID, r.State)
	}
	if err := m.Store.AppendAudit(ctx, recordEntry("record.ui-link", g, r).By(by)); err != nil {
		return "", time.Time{}, err
	}
	signature, err := m.Ledger.SignUI(ctx, "link", r.ID, sessions.UILinkLife)
	if err != nil {
		return "", time.Time{}, err
	}
	return r.SparkUI + "/?livy_ui=" + signature, m.Now().Add(sessions.UILinkLife).UTC().Truncate(time.Second), nil
}

func recordEntry(action string, g *gateway.Gateway, r *store.Record) store.AuditEntry {
	return store.AuditEntry{
		Action: action, GatewayID: g.ID, Gateway: g.Ref(), Target: r.ID,
		Before: map[string]any{"state": r.State},
	}
}
