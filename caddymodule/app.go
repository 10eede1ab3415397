// Package caddymodule is the Caddy surface of Livy Gateway. It is thin: what the
// gateway knows and does lives in packages that do not import Caddy.
package caddymodule

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	roles "github.com/livygateway/livygateway/internal/access"
	"github.com/livygateway/livygateway/internal/control"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/resolved"
	"github.com/livygateway/livygateway/internal/sessions"
	"github.com/livygateway/livygateway/internal/tokens"
	"github.com/livygateway/livygateway/policies"
)

func init() {
	caddy.RegisterModule(new(App))
}

// App turns Apache Livy servers into gateways: named, started and stopped on
// demand, reached with tokens, ruled by policies, with every session and batch
// on record. All sites with the `livy_gateway` directive share this app.
//
// What it keeps (gateways, hashes of tokens, records) is in Redis. Several Caddy
// instances can share one Redis.
type App struct {
	// Where the gateways, tokens and records are kept. Default: a Redis server
	// at 127.0.0.1:6379, database 0.
	Redis *Redis `json:"redis,omitempty"`

	// How Livy servers are run: `docker` (a container for each gateway, the
	// default), `process` (a process on this machine) or `static` (Livy servers
	// that somebody else runs).
	RuntimeRaw json.RawMessage `json:"runtime,omitempty" caddy:"namespace=livy.runtimes inline_key=runtime"`

	// What gateways may use: engines, clusters, environments and so on.
	gateway.Catalog

	// Gateways that stand in the configuration. All Caddy instances of one Redis
	// should name the same ones: the configuration that was loaded last counts.
	Gateways []*DeclaredGateway `json:"gateways,omitempty"`

	// What the gateway itself logs in with at Livy servers that want logins.
	LDAPLogins []*LDAPLogin `json:"ldap_logins,omitempty"`

	// The Spark history server that shows what has finished. Default: none.
	HistoryServer *gateway.HistoryServer `json:"history_server,omitempty"`

	// The address of the site with `livy_spark_ui`, e.g. `https://ui.example.com`. It
	// shows the Spark UIs of all gateways, which `livy_gateway` then does no more.
	// Default: none; Spark UIs are on the sites with `livy_gateway`.
	SparkUI string `json:"spark_ui,omitempty"`

	// What clients may set and send.
	policies.Guards

	// What becomes of the Livy servers when Caddy ends: `keep` (the default)
	// leaves them running with their sessions, and the next Caddy finds them;
	// `stop` stops them, and the next Caddy starts them again. A reload never
	// touches them.
	OnExit string `json:"on_exit,omitempty"`

	// What holds for all tokens.
	Tokens *TokenRules `json:"tokens,omitempty"`

	// Who may do what through the management API on sites with `livy_api`. Default:
	// everybody who is logged in may do everything.
	Roles *Roles `json:"roles,omitempty"`

	// How long a Livy server may take from its start to its first answer.
	// Default: 3m.
	StartTimeout caddy.Duration `json:"start_timeout,omitempty"`

	// How long records of sessions and batches are kept after their creation, at
	// least 1h; what lives is kept anyway. Default: 30 days.
	Retention caddy.Duration `json:"retention,omitempty"`

	// How long the audit is kept, at least 1h. Default: 90 days.
	AuditRetention caddy.Duration `json:"audit_retention,omitempty"`

	key      string // of core in the pool, once it was acquired
	core     *core
	log      *zap.Logger
	expander *expander
	admin    adminReach // who reaches the admin endpoint
	declared []control.Declaration
	logins   []control.Login // with their passwords
	sparkUI  string          // the origin that SparkUI names
	policy   *roles.Policy   // what Roles are; nil without any
	before   replaced        // what Start replaced
	inForce  bool            // the whole configuration has been started
}

// replaced is what was in force before a configuration was started.
type replaced struct {
	current   *core
	settings  control.Settings // of the core that is started
	retention time.Duration
}

// CaddyModule returns the Caddy module information.
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "livy", New: func() caddy.Module { return new(App) }}
}

// Provision makes or takes over the core that all configurations share.
func (a *App) Provision(ctx caddy.Context) error {
	if a.Redis == nil {
		a.Redis = new(Redis)
	}
	if err := registerMetrics(ctx); err != nil {
		return err
	}
	if a.RuntimeRaw == nil {
		a.RuntimeRaw = json.RawMessage(`{"runtime":"docker"}`)
	}
	a.log = ctx.Logger()
	if err := a.expand(a.log); err != nil {
		return fmt.Errorf("livy: %w", err)
	}
	return a.expander.mask(a.provision(ctx))
}

// provision does the rest, with placeholders replaced.
func (a *App) provision(ctx caddy.Context) error {
	var err error
	if a.logins, err = readLogins(a.LDAPLogins); err != nil {
		return fmt.Errorf("livy: %w", err)
	}
	mod, err := ctx.LoadModule(a, "RuntimeRaw")
	if err != nil {
		return fmt.Errorf("loading the runtime: %w", err)
	}
	// The module, not its JSON: LoadModule forgets that, and it can be written in many ways.
	key, err := json.Marshal([]any{a.Redis, mod.(caddy.Module).CaddyModule().ID, mod, a.Tokens.ofCore()})
	if err != nil {
		return err
	}
	value, _, err := cores.LoadOrNew(string(key), func() (caddy.Destructor, error) {
		return newCore(a, mod.(Runtime))
	})
	if err != nil {
		return err
	}
	a.key, a.core, a.admin = string(key), value.(*core), adminOf(ctx)
	return a.watchStart(ctx)
}

// expand resolves placeholders such as {env.LIVY_REDIS_URL} in every text of the
// configuration. What cannot be read refuses the configuration.
func (a *App) expand(log *zap.Logger) error {
	for _, l := range a.LDAPLogins {
		if err := l.checkPassword(); err != nil {
			return err
		}
	}
	e := newExpander()
	a.expander = e
	if err := e.all(a); err != nil {
		return err
	}
	var err error
	if a.RuntimeRaw, err = e.raw(a.RuntimeRaw, optionPath{"runtime"}); err != nil {
		return err
	}
	for _, empty := range e.empty {
		log.Warn("a placeholder of the configuration stands for an empty text",
			zap.Stringer("option", empty.option), zap.String("placeholder", empty.placeholder))
	}
	return nil
}

// Validate checks what the operator wrote. It asks nothing of the network.
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
	for _, e := range a.Engines {
		if err := a.core.runtime.CheckEngine(e); err != nil {
			return fmt.Errorf("livy: engine %q: %w", e.Name, err)
		}
	}
	if a.SparkUI != "" {
		var err error
		if a.sparkUI, err = parseSiteOrigin(a.SparkUI); err != nil {
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
	// Not in Start: sites of this configuration may have accepted connections by
	// then, which a refusal would break.
	if err := a.core.manager.CheckCatalog(catalog, a.declared); err != nil {
		return fmt.Errorf("livy: %w", err)
	}
	return nil
}

// validateBounds checks sizes and durations; 0 stands for each one's default.
func (a *App) validateBounds() error {
	for option, size := range map[string]int64{"max_body": a.MaxBody, "max_code": a.MaxCode, "max_upload": a.MaxUpload} {
		if size < 0 {
			return fmt.Errorf("%s must not be negative (got %d)", option, size)
		}
	}
	type bound struct{ value, least time.Duration }
	bounds := map[string]bound{
		"retention":       {time.Duration(a.Retention), sessions.MinRetention},
		"audit_retention": {time.Duration(a.AuditRetention), sessions.MinRetention},
		"start_timeout":   {time.Duration(a.StartTimeout), time.Second},
	}
	if t := a.Tokens; t != nil {
		bounds["tokens: max_lifetime"] = bound{time.Duration(t.MaxLifetime), tokens.MinLifetime}
		if t.Grace != nil {
			bounds["tokens: grace"] = bound{time.Duration(*t.Grace), 0}
		}
	}
	for option, b := range bounds {
		if b.value != 0 && b.value < b.least {
			return fmt.Errorf("%s must be at least %s, not %s", option, b.least, b.value)
		}
	}
	return nil
}

// settings are what the parts below the Caddy surface go by.
func (a *App) settings() control.Settings {
	return control.Settings{
		Settings: a.resolveSettings(), SparkUISite: a.sparkUI,
		StartTimeout: time.Duration(a.StartTimeout), StopOnExit: a.OnExit == "stop",
		AuditRetention: time.Duration(a.AuditRetention),
	}
}

// resolveSettings are those that gateways are resolved with.
func (a *App) resolveSettings() resolved.Settings {
	return resolved.Settings{
		Catalog: a.Catalog.WithProfiles(), Guards: a.Guards, Logins: a.logins, History: a.HistoryServer,
	}
}

// Start puts this configuration into force.
func (a *App) Start() error {
	a.before = replaced{current: current.Load(), settings: a.core.manager.Settings()}
	a.core.manager.Configure(a.settings())
	a.before.retention = a.core.ledger.SetRetention(cmp.Or(time.Duration(a.Retention), gateway.DefaultRetention))
	if err := a.core.start(); err != nil {
		return errors.Join(err, a.Stop())
	}
	current.Store(a.core)
	adminStreams.end()
	a.warnOfReach()
	return nil
}

// Stop takes all that Start did back if another app kept the configuration from
// being started: then the one before it stays in force. Else it does nothing, since
// the core ends with the last configuration that uses it.
func (a *App) Stop() error {
	if !a.inForce {
		a.core.manager.Configure(a.before.settings)
		a.core.ledger.SetRetention(a.before.retention)
		current.Store(a.before.current)
	}
	return nil
}

// Cleanup lets go of the core.
func (a *App) Cleanup() error {
	if a.key == "" {
		return nil
	}
	key := a.key
	a.key = ""
	last, err := cores.Delete(key)
	if last {
		current.CompareAndSwap(a.core, nil)
	}
	return err
}

// Interface guards
var (
	_ caddy.App          = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.Validator    = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
)
