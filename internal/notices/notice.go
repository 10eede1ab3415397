// Package notices reports what somebody should know, once over all instances: to those who follow
// events, to Caddy's event handlers and to webhooks.
package notices

import (
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
)

// The names of notices.
const (
	BudgetReached = "budget_reached"
	GatewayFailed = "gateway_failed"
	TokenExpiring = "token_expiring"
	SessionLost   = "session_lost"
)

// Names lists all of them.
var Names = []string{BudgetReached, GatewayFailed, TokenExpiring, SessionLost}

// Notice is something that somebody should know. It is what webhooks get, as JSON.
type Notice struct {
	// ID identifies the notice: a webhook that gets one twice can tell.
	ID string `json:"id"`
	// Event is one of Names.
	Event string    `json:"event"`
	Time  time.Time `json:"time"`
	// Workspace and Gateway (its name) are what it is about; empty for a budget that is not of
	// one gateway or workspace.
	Workspace string `json:"workspace,omitempty"`
	Gateway   string `json:"gateway,omitempty"`
	// Text is a sentence for people.
	Text string `json:"text"`
	// Data are the details, by the notice's name.
	Data map[string]any `json:"data,omitempty"`

	key string // the same for what is the same
}

// Make returns a notice. Those with the same key are reported once.
func Make(event, key, text string, data map[string]any) Notice {
	return Notice{Event: event, Text: text, Data: data, key: event + " " + key}
}

// remembered returns how long it is remembered that the notice was reported. Budgets and tokens are
// looked at again and again, gateways after each restart. A session is lost only once, and there
// may be many of them.
func (n *Notice) remembered() time.Duration {
	if n.Event == SessionLost {
		return 7 * 24 * time.Hour
	}
	return 400 * 24 * time.Hour
}

// Of makes it a notice about a gateway.
func (n Notice) Of(g *gateway.Gateway) Notice {
	n.Workspace, n.Gateway = g.Workspace, g.Spec.Name
	return n
}

// Webhook is a URL that gets notices.
type Webhook struct {
	// The URL, which gets a POST request with JSON for each notice.
	URL string `json:"url"`

	// The secret that requests are signed with: a placeholder such as
	// `{file./etc/livygateway/webhook.key}` or `{env.WEBHOOK_SECRET}`, for a text of at least 16
	// characters. A literal secret is refused, because configurations can be read by others.
	Secret string `json:"secret,omitempty"`

	// What is reported: `budget_reached`, `gateway_failed`, `token_expiring`, `session_lost`.
	// Default: all of them.
	Events []string `json:"events,omitempty"`
}

// minSecret is the least length of a secret.
const minSecret = 16

// Validate checks a webhook. Errors have no secrets: the URL may contain one.
func (w *Webhook) Validate() error {
	u, err := url.Parse(w.URL)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.Fragment != "" {
		return gateway.Invalid("webhook", "", "must be an http or https URL without a login and a fragment")
	}
	name := "webhook " + w.Name()
	if len(w.Secret) < minSecret {
		return gateway.InvalidLine(name+": secret", fmt.Sprintf("must have at least %d characters", minSecret))
	}
	for _, event := range w.Events {
		if !slices.Contains(Names, event) {
			return gateway.Invalid(name+": events", event, "must be one of "+strings.Join(Names, ", "))
		}
	}
	return nil
}

// Name shows a webhook in logs: its host alone, since paths and queries often are secrets.
func (w *Webhook) Name() string {
	u, err := url.Parse(w.URL)
	if err != nil {
		return "?"
	}
	return u.Host
}

// wants reports whether the webhook gets notices of a name.
func (w *Webhook) wants(event string) bool {
	return len(w.Events) == 0 || slices.Contains(w.Events, event)
}
