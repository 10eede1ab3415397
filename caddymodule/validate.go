package caddymodule

import (
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"

	"github.com/livygateway/livygateway/internal/sessions"
	"github.com/livygateway/livygateway/internal/sparkui"
	"github.com/livygateway/livygateway/internal/tokens"
	"github.com/livygateway/livygateway/policies"
)

// Validate checks the configuration. It uses the network only if the configuration is to replace
// a running one. Files that are used only when a gateway starts are looked at, and logged if they
// are missing.
func (a *App) Validate() error { return a.expander.mask(a.validate()) }

func (a *App) validate() error {
	if len(a.Engines) == 0 {
		return fmt.Errorf("livy: at least one engine is required")
	}
	settings := a.resolveSettings()
	catalog := &settings.Catalog
	if err := catalog.Validate(); err != nil {
		return fmt.Errorf("livy: %w", err)
	}
	if h := a.HistoryServer; h != nil {
		if err := h.Validate(); err != nil {
			return fmt.Errorf("livy: %w", err)
		}
	}
	if l := a.OpenLineage; l != nil {
		if err := l.Validate(); err != nil {
			return fmt.Errorf("livy: %w", err)
		}
	}
	for _, e := range a.Engines {
		if err := a.runtime.CheckEngine(e); err != nil {
			return fmt.Errorf("livy: engine %q: %w", e.Name, err)
		}
	}
	if err := a.validateBudgets(); err != nil {
		return fmt.Errorf("livy: %w", err)
	}
	if a.SparkUI != "" {
		var err error
		if a.sparkUI, err = sparkui.ParseSite(a.SparkUI); err != nil {
			return fmt.Errorf("livy: %w", err)
		}
	}
	var err error
	if a.policy, err = a.Roles.policy(); err != nil {
		return fmt.Errorf("livy: %w", err)
	}
	if err := a.Tokens.selfService().Validate(); err != nil {
		return fmt.Errorf("livy: tokens: self_service: %w", err)
	}
	switch a.OnExit {
	case "", "keep", "stop":
	default:
		return fmt.Errorf("livy: on_exit must be keep or stop, not %q", a.OnExit)
	}
	if err := a.validateBounds(); err != nil {
		return fmt.Errorf("livy: %w", err)
	}
	if _, err := policies.Compile(policies.Settings{Guards: a.Guards}); err != nil {
		return fmt.Errorf("livy: %w", err)
	}
	if a.declared, err = a.declarations(&settings); err != nil {
		return fmt.Errorf("livy: %w", err)
	}
	a.warnOfTypos()
	a.warnOfFiles()
	// Not in Start, since sites of this configuration may have accepted connections by then,
	// which an error would break.
	if err := a.core.Manager.CheckCatalog(catalog, a.declared); err != nil {
		return fmt.Errorf("livy: %w", err)
	}
	if err := a.checkReload(); err != nil {
		return fmt.Errorf("livy: %w", err)
	}
	return nil
}

// validateBounds checks sizes and durations; 0 stands for the default. If there are several
// errors, it returns the first in the order of the options.
func (a *App) validateBounds() error {
	for _, o := range []struct {
		option string
		size   int64
	}{{"max_body", a.MaxBody}, {"max_code", a.MaxCode}, {"max_upload", a.MaxUpload}} {
		if o.size < 0 {
			return fmt.Errorf("%s must not be negative (got %d)", o.option, o.size)
		}
	}
	type bound struct {
		option string
		value  caddy.Duration
		least  time.Duration
	}
	bounds := []bound{
		{"start_timeout", a.StartTimeout, time.Second},
		{"unresponsive_after", a.UnresponsiveAfter, time.Second},
		{"retention", a.Retention, sessions.MinRetention},
		{"audit_retention", a.AuditRetention, sessions.MinRetention},
	}
	if t := a.Tokens; t != nil {
		bounds = append(bounds, bound{"tokens: max_lifetime", t.MaxLifetime, tokens.MinLifetime})
		if t.Grace != nil {
			bounds = append(bounds, bound{"tokens: grace", *t.Grace, 0})
		}
	}
	if m := a.Metrics; m != nil && m.ServerUsage != never {
		bounds = append(bounds, bound{"metrics: server_usage", m.ServerUsage, time.Second})
	}
	if r := a.RestartUnresponsive; r != never {
		bounds = append(bounds, bound{"restart_unresponsive", r, time.Minute})
	}
	for _, b := range bounds {
		if value := time.Duration(b.value); value != 0 && value < b.least {
			return fmt.Errorf("%s must be at least %s, not %s", b.option, b.least, value)
		}
	}
	return nil
}
