package control

import (
	"context"
	"strings"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/sessions"
	"github.com/livygateway/livygateway/internal/store"
)

// closeTimeout bounds how long Livy may take to end a session or batch.
const closeTimeout = time.Minute

// CloseRecord ends a session or batch; its record stays. Closing an ended one is not an
// error. The audit entry is written first, so that the attempt is recorded even if Livy
// then fails.
func (m *Manager) CloseRecord(
	ctx context.Context, g *gateway.Gateway, r *store.Record, by gateway.Origin,
) (*store.Record, error) {
	server := g.Serving(r.Epoch)
	switch {
	case !r.Live():
		return r, nil
	case !r.Confirmed():
		return nil, gateway.Errorf(gateway.KindConflict, "Livy has not confirmed %s yet: try again in a moment",
			r.ID)
	case server == nil:
		return nil, gateway.Errorf(gateway.KindUnavailable,
			"the Livy server of gateway %q is not running (state %s)",
			g.Spec.Name, g.Status.State)
	}
	if err := m.Store.AppendAudit(ctx, recordEntry("record.close", g, r).By(by)); err != nil {
		return nil, err
	}
	asking, cancel := context.WithTimeout(ctx, closeTimeout)
	defer cancel()
	if err := m.Livy(server).Delete(asking, livy.Kind(r.Kind), r.LivyID); err != nil {
		return nil, gateway.Wrap(gateway.KindUnavailable, "closing "+r.ID, err)
	}
	m.Ledger.Deleted(ctx, g, livy.Kind(r.Kind), r.PublicID, by.Actor)
	m.PollSoon(g.ID)
	return m.Store.RecordByID(ctx, g.ID, r.ID)
}

// SparkUISite returns the address of the site that serves the Spark UIs of all gateways,
// e.g. https://ui.example.com, or "" if each gateway's own sites do.
func (m *Manager) SparkUISite() string { return m.settings.Load().SparkUISite }

// ShowSparkUI makes the Spark UI path in a record absolute if Spark UIs have their own
// site.
func (m *Manager) ShowSparkUI(g *gateway.Gateway, r *store.Record) {
	if site := m.SparkUISite(); site != "" && servesSparkUI(r) {
		r.SparkUI = site + g.SparkUI(r.ID)
	}
}

// servesSparkUI reports whether the gateway serves a record's Spark UI.
func servesSparkUI(r *store.Record) bool { return strings.HasPrefix(r.SparkUI, "/") }

// UILink is a signed link to a Spark UI.
type UILink struct {
	// Site is the address of the site that it is valid for, "" for any site of the gateway.
	Site string
	// Path, which includes the signature, follows the site's address.
	Path    string
	Expires time.Time
}

// LinkSparkUI returns a signed link with which a browser can open the Spark UI of a session
// or batch for a limited time.
func (m *Manager) LinkSparkUI(
	ctx context.Context, g *gateway.Gateway, r *store.Record, by gateway.Origin,
) (UILink, error) {
	if !servesSparkUI(r) || !r.Live() && m.History() == nil {
		return UILink{}, gateway.Errorf(gateway.KindConflict,
			"%s %s has no Spark UI that this gateway serves (state %s)", r.Kind, r.ID, r.State)
	}
	if err := m.Store.AppendAudit(ctx, recordEntry("record.ui-link", g, r).By(by)); err != nil {
		return UILink{}, err
	}
	link := UILink{
		Site: m.SparkUISite(), Path: r.SparkUI,
		Expires: m.Now().Add(sessions.UILinkLife).UTC().Truncate(time.Second),
	}
	if link.Site != "" {
		link.Path = g.SparkUI(r.ID)
	}
	signature, err := m.Ledger.SignUI(ctx, sessions.UILink(link.Site), r.ID, sessions.UILinkLife)
	if err != nil {
		return UILink{}, err
	}
	link.Path += "/?" + gateway.SparkUILinkParameter + "=" + signature
	return link, nil
}

func recordEntry(action string, g *gateway.Gateway, r *store.Record) store.AuditEntry {
	return store.AuditEntry{
		Action: action, GatewayID: g.ID, Gateway: g.Ref(), Target: r.ID,
		Before: map[string]any{"state": r.State},
	}
}
