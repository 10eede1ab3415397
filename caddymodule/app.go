// Package caddymodule provides the livy app of Caddy: its configuration, the runtimes, the
// command line, and the doctor's checks of the configuration. The request handlers are in the
// packages below it. The rest of the gateway is in packages that do not import Caddy.
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
	"github.com/livygateway/livygateway/internal/access"
	"github.com/livygateway/livygateway/internal/accesskeys"
	"github.com/livygateway/livygateway/internal/budgets"
	"github.com/livygateway/livygateway/internal/control"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/notices"
	"github.com/livygateway/livygateway/internal/resolved"
	"github.com/livygateway/livygateway/internal/tokens"
	"github.com/livygateway/livygateway/policies"
)

func init() {
	caddy.RegisterModule(new(App))
}

// App runs gateways in front of Apache Livy servers. A gateway is a named Livy server that is
// started and stopped on demand. Clients need a token, policies control what they may set, and
// every session and batch is recorded. All sites with the `livy_gateway` directive share this
// app.
//
// When a gateway has been started, has been stopped or has failed, the instance that supervises
// it emits the event `livy_gateway_started`, `livy_gateway_stopped` or `livy_gateway_failed`,
// with the data `workspace`, `gateway` (its name), `id`, `state` and `reason`. The events
// `livy_budget_reached`, `livy_token_expiring` and `livy_session_lost` are emitted by one
// instance, with `text` and further data; see docs/budgets.md.
//
// Gateways, hashes of tokens, and records are stored in Redis. Several Caddy instances can share
// one Redis.
type App struct {
	// The Redis server that stores gateways, tokens and records. Default: a server at
	// 127.0.0.1:6379, database 0.
	Redis *Redis `json:"redis,omitempty"`

	// How Livy servers are run: `docker` (the default) runs a container for each gateway,
	// `process` a process on this machine, and `static` uses Livy servers that are started by
	// other means.
	RuntimeRaw json.RawMessage `json:"runtime,omitempty" caddy:"namespace=livy.runtimes inline_key=runtime"`

	// What gateways may use: engines, clusters, environments and so on.
	gateway.Catalog

	// Gateways that are declared in the configuration. All Caddy instances that share a Redis
	// should declare the same ones: the configuration that was loaded last applies.
	Gateways []*DeclaredGateway `json:"gateways,omitempty"`

	// The credentials with which the gateway itself logs in to Livy servers that require LDAP
	// logins.
	LDAPLogins []*LDAPLogin `json:"ldap_logins,omitempty"`

	// How the gateway reaches the Livy servers of engines that have a URL. In the Caddyfile, these
	// are options of the engine.
	LivyServers []*LivyServer `json:"livy_servers,omitempty"`

	// The Spark history server that shows the UIs of finished applications. Default: none.
	HistoryServer *gateway.HistoryServer `json:"history_server,omitempty"`

	// Where sessions and batches report their lineage, which the gateway then adds to their
	// settings. Default: nothing is added.
	OpenLineage *gateway.OpenLineage `json:"open_lineage,omitempty"`

	// Bounds on the vCore-hours and GB-hours of users, tokens, gateways and workspaces in a day or
	// a month. All Caddy instances that share a Redis should have the same ones, as with quotas
	// and webhooks.
	Budgets []budgets.Budget `json:"budgets,omitempty"`

	// Bounds on what each user may start, with all tokens together.
	Quotas []budgets.Quota `json:"quotas,omitempty"`

	// URLs that are told when a budget is reached, a gateway has failed, a token expires soon, or
	// a session or batch was lost.
	Webhooks []notices.Webhook `json:"webhooks,omitempty"`

	// The address of the site with `livy_spark_ui`, e.g. `https://ui.example.com`, which shows
	// the Spark UIs of all gateways. Sites with `livy_gateway` then show none. Default: none;
	// each site with `livy_gateway` shows the Spark UIs of its gateways.
	SparkUI string `json:"spark_ui,omitempty"`

	// Limits on what clients may set and send.
	policies.Guards

	// What happens to Livy servers when Caddy exits: `keep` (the default) leaves them running
	// with their sessions, and the next Caddy process takes them over; `stop` stops them, and the
	// next Caddy process starts them again. A reload never affects them.
	OnExit string `json:"on_exit,omitempty"`

	// Settings of the tokens of all gateways.
	Tokens *TokenRules `json:"tokens,omitempty"`

	// The keys that seal the secrets of access keys in Redis: placeholders such as
	// `{file./etc/livygateway/seal.key}` or `{env.LIVY_SEALING_KEY}`, each with a random text of
	// at least 32 characters. The first one seals, the others open what they sealed before. A
	// literal key is refused, because configurations can be read by others. Default: none, and
	// access keys are off.
	SealingKeys []string `json:"sealing_keys,omitempty"`

	// Who may do what through the management API on sites with `livy_api`. Default: every
	// user who is logged in has full access.
	Roles *Roles `json:"roles,omitempty"`

	// How long a Livy server may take from its start to its first answer.
	// Default: 3m.
	StartTimeout caddy.Duration `json:"start_timeout,omitempty"`

	// The time after which a running Livy server that does not answer is unresponsive. Requests
	// to it then get 503 until it answers again. At least 1s. Default: 15s.
	UnresponsiveAfter caddy.Duration `json:"unresponsive_after,omitempty"`

	// The time after which a running Livy server that does not answer is restarted, which ends
	// its sessions. At least 1m; -1 disables restarts. Servers of the runtime `static` are never
	// restarted. Default: 5m.
	RestartUnresponsive caddy.Duration `json:"restart_unresponsive,omitempty"`

	// Settings of the metrics.
	Metrics *MetricRules `json:"metrics,omitempty"`

	// How long records of sessions and batches are kept after their creation. At least 1h.
	// Records of live sessions and batches are always kept. Default: 30 days.
	Retention caddy.Duration `json:"retention,omitempty"`

	// How long the audit log is kept. At least 1h. Default: 90 days.
	AuditRetention caddy.Duration `json:"audit_retention,omitempty"`

	key      string // of core in the pool; empty before it was acquired
	core     *core.Core
	runtime  Runtime
	log      *zap.Logger
	expander *expander
	emit     func(name string, data map[string]any)
	admin    adminReach // who can connect to the admin endpoint
	declared []control.Declaration
	logins   []control.Login    // with their passwords
	sparkUI  string             // the origin of SparkUI
	policy   *access.Policy     // made of Roles; nil without roles
	sealer   *accesskeys.Sealer // made of SealingKeys; nil without any
	before   replaced           // what Start replaced
	inForce  bool               // all apps of the configuration have been started
	stopped  bool               // Caddy has stopped the app
}

// replaced has what was in force before a configuration was started.
type replaced struct {
	config    *core.Config
	settings  control.Settings // of this configuration's core
	retention time.Duration
	sealer    *accesskeys.Sealer
	budgets   budgets.Settings
	webhooks  []notices.Webhook
}

// CaddyModule returns the Caddy module information.
func (*App) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{ID: "livy", New: func() caddy.Module { return new(App) }}
}

// Provision creates the core, or takes over the one that earlier configurations use.
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

// provision does the rest of Provision, after placeholders have been replaced.
func (a *App) provision(ctx caddy.Context) error {
	var err error
	if a.logins, err = readLogins(a.LDAPLogins); err != nil {
		return fmt.Errorf("livy: %w", err)
	}
	if err := a.connectEngines(); err != nil {
		return fmt.Errorf("livy: %w", err)
	}
	if err := a.readSealingKeys(); err != nil {
		return fmt.Errorf("livy: %w", err)
	}
	mod, err := ctx.LoadModule(a, "RuntimeRaw")
	if err != nil {
		return fmt.Errorf("loading the runtime: %w", err)
	}
	// The key has the module, not its JSON: LoadModule removes the JSON, and the same settings
	// can be written in different ways.
	key, err := json.Marshal([]any{a.Redis, mod.(caddy.Module).CaddyModule().ID, mod, a.Tokens.ofCore()})
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

// coreOptions returns the options to create the core with.
func (a *App) coreOptions() (core.Options, error) {
	redis, err := a.Redis.options()
	return core.Options{
		Redis: redis, Embedded: a.Redis.Embedded,
		Tokens: a.Tokens.options(), OpenRuntime: a.runtime.Open,
		CheckpointDir: filepath.Join(caddy.AppDataDir(), "livygateway"),
	}, err
}

// Core returns the core that this configuration shares with earlier and later ones.
func (a *App) Core() *core.Core { return a.core }

// SparkUISite returns the origin of the site that shows the Spark UIs of all gateways.
func (a *App) SparkUISite() string { return a.sparkUI }

// AccessPolicy returns who may do what through the management API on sites, nil without roles.
func (a *App) AccessPolicy() *access.Policy { return a.policy }

// SelfService returns the limits on tokens that users make for themselves.
func (a *App) SelfService() tokens.SelfService { return a.Tokens.selfService() }

// expand replaces placeholders such as {env.LIVY_REDIS_URL} in all strings of the configuration.
// A placeholder that cannot be resolved is an error.
func (a *App) expand(log *zap.Logger) error {
	for _, l := range a.LDAPLogins {
		if err := l.checkPassword(); err != nil {
			return err
		}
	}
	for _, l := range a.LivyServers {
		if err := l.checkSecrets(); err != nil {
			return err
		}
	}
	if err := a.checkWebhooks(); err != nil {
		return err
	}
	if err := a.checkSealingKeys(); err != nil {
		return err
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
		log.Warn("a placeholder of the configuration is empty",
			zap.Stringer("option", empty.option), zap.String("placeholder", empty.placeholder))
	}
	return nil
}

// settings returns the settings of the packages that do not import Caddy.
func (a *App) settings() control.Settings {
	return control.Settings{
		Settings: a.resolveSettings(), SparkUISite: a.sparkUI,
		StartTimeout: time.Duration(a.StartTimeout), UnresponsiveAfter: time.Duration(a.UnresponsiveAfter),
		RestartUnresponsive: time.Duration(a.RestartUnresponsive), StopOnExit: a.OnExit == "stop",
		AuditRetention: time.Duration(a.AuditRetention), OpenLineage: a.OpenLineage,
	}
}

// resolveSettings returns the settings that gateways are resolved with.
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
	a.before.sealer = a.core.AccessKeys.Configure(a.sealer)
	a.before.budgets = a.core.Budgets.Configure(a.budgetSettings())
	a.before.webhooks = a.core.Notices.Configure(a.Webhooks)
	a.before.config = core.SetInForce(&core.Config{
		Core: a.core, Log: a.log, Emit: a.emit,
		WithoutGateways: a.Metrics.withoutGateways(), ServerUsage: a.Metrics.serverUsage(),
	})
	if err := a.core.Start(); err != nil {
		return errors.Join(err, a.Stop())
	}
	a.warnOfReach()
	return nil
}

// Stop undoes Start if another app kept the configuration from being started: the previous
// configuration then stays in force. Otherwise it does nothing, since the core ends with the last
// configuration that uses it.
func (a *App) Stop() error {
	if !a.inForce {
		a.undo()
	}
	a.stopped = true
	return nil
}

// undo puts the previous configuration into force again.
func (a *App) undo() {
	a.core.Manager.Configure(a.before.settings)
	a.core.Ledger.SetRetention(a.before.retention)
	a.core.AccessKeys.Configure(a.before.sealer)
	a.core.Budgets.Configure(a.before.budgets)
	a.core.Notices.Configure(a.before.webhooks)
	core.SetInForce(a.before.config)
}

// Cleanup releases the core. Caddy does not stop the apps of a configuration that it gives up
// after all of them have been started.
func (a *App) Cleanup() error {
	if a.key == "" {
		return nil
	}
	if a.inForce && !a.stopped {
		a.undo()
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
