// Package caddymodule is the livy app of Caddy: its configuration, the runtimes, the
// command line and the doctor's look at a configuration. The handlers are in the packages
// below it, and what the gateway knows and does in packages that do not import Caddy.
package caddymodule

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/livygateway/livygateway/caddymodule/internal/core"
	"github.com/livygateway/livygateway/internal/control"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/resolved"
	"github.com/livygateway/livygateway/policies"
)

func init() {
	caddy.RegisterModule(new(App))
}

// App turns Apache Livy servers into gateways: named, started and stopped on
// demand, reached with tokens, ruled by policies, with every session and batch
// on record. All sites with the `livy_gateway` directive share this app.
//
// It emits the events `livy_gateway_started`, `livy_gateway_stopped` and
// `livy_gateway_failed` when a gateway has come to that state, on the instance that
// supervises it, with the data `workspace`, `gateway` (its name), `id`, `state` and
// `reason`.
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

	// How long a Livy server may take from its start to its first answer.
	// Default: 3m.
	StartTimeout caddy.Duration `json:"start_timeout,omitempty"`

	// How long a running Livy server may give no answer until it counts as unresponsive:
	// requests to it are then answered 503 until it answers again. Default: 15s.
	UnresponsiveAfter caddy.Duration `json:"unresponsive_after,omitempty"`

	// How long a running Livy server may give no answer until it is restarted, which ends
	// its sessions. At least 1m; -1 never restarts one. Servers of the runtime `static` are never
	// restarted. Default: 5m.
	RestartUnresponsive caddy.Duration `json:"restart_unresponsive,omitempty"`

	// How long records of sessions and batches are kept after their creation, at
	// least 1h; what lives is kept anyway. Default: 30 days.
	Retention caddy.Duration `json:"retention,omitempty"`

	// How long the audit is kept, at least 1h. Default: 90 days.
	AuditRetention caddy.Duration `json:"audit_retention,omitempty"`

	key      string // of core in the pool, once it was acquired
	core     *core.Core
	runtime  Runtime
	log      *zap.Logger
	expander *expander
	emit     func(name string, data map[string]any)
	admin    adminReach // who reaches the admin endpoint
	declared []control.Declaration
	logins   []control.Login // with their passwords
	sparkUI  string          // the origin that SparkUI names
	before   replaced        // what Start replaced
	inForce  bool            // the whole configuration has been started
}

// replaced is what was in force before a configuration was started.
type replaced struct {
	config    *core.Config
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
	if err := core.RegisterMetrics(ctx); err != nil {
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
	key, err := json.Marshal([]any{a.Redis, mod.(caddy.Module).CaddyModule().ID, mod, a.Tokens})
	if err != nil {
		return err
	}
	a.runtime = mod.(Runtime)
	options, err := a.coreOptions()
	if err != nil {
		return err
	}
	if a.core, err = core.Acquire(string(key), options); err != nil {
		return err
	}
	a.key, a.admin = string(key), adminOf(ctx)
	return a.useEvents(ctx)
}

// coreOptions are what the core is made with.
func (a *App) coreOptions() (core.Options, error) {
	redis, err := a.Redis.options()
	return core.Options{
		Redis: redis, Embedded: a.Redis.Embedded,
		Tokens: a.Tokens.options(), OpenRuntime: a.runtime.Open,
		MarkDir: filepath.Join(caddy.AppDataDir(), "livygateway"),
	}, err
}

// Core returns what this configuration shares with those before and after it.
func (a *App) Core() *core.Core { return a.core }

// SparkUISite returns the origin of the site that shows the Spark UIs of all gateways.
func (a *App) SparkUISite() string { return a.sparkUI }

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

// settings are what the parts below the Caddy surface go by.
func (a *App) settings() control.Settings {
	return control.Settings{
		Settings: a.resolveSettings(), SparkUISite: a.sparkUI,
		StartTimeout: time.Duration(a.StartTimeout), UnresponsiveAfter: time.Duration(a.UnresponsiveAfter),
		RestartUnresponsive: time.Duration(a.RestartUnresponsive), StopOnExit: a.OnExit == "stop",
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
	a.before.settings = a.core.Manager.Settings()
	a.core.Manager.Configure(a.settings())
	a.before.retention = a.core.Ledger.SetRetention(cmp.Or(time.Duration(a.Retention), gateway.DefaultRetention))
	a.before.config = core.SetInForce(&core.Config{Core: a.core, Log: a.log, Emit: a.emit})
	if err := a.core.Start(); err != nil {
		return errors.Join(err, a.Stop())
	}
	a.warnOfReach()
	return nil
}

// Stop takes all that Start did back if another app kept the configuration from
// being started: then the one before it stays in force. Else it does nothing, since
// the core ends with the last configuration that uses it.
func (a *App) Stop() error {
	if !a.inForce {
		a.core.Manager.Configure(a.before.settings)
		a.core.Ledger.SetRetention(a.before.retention)
		core.SetInForce(a.before.config)
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
	return core.Release(key, a.core)
}

// Interface guards
var (
	_ caddy.App          = (*App)(nil)
	_ core.App           = (*App)(nil)
	_ caddy.Provisioner  = (*App)(nil)
	_ caddy.Validator    = (*App)(nil)
	_ caddy.CleanerUpper = (*App)(nil)
)
