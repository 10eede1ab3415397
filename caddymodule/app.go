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

	"github.com/livygateway/livygateway/internal/control"
	"github.com/livygateway/livygateway/internal/gateway"
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

	// The engines that gateways may use; the first one is the default. At least
	// one is required.
	Engines []*Engine `json:"engines,omitempty"`

	// The numbers of cores that gateways may have, smallest first. Default: 1, 2, 4.
	CPUs []int `json:"cpus,omitempty"`

	// The sizes of memory that gateways may have, smallest first. Default: `4Gi`,
	// `8Gi`, `16Gi`.
	Memories []string `json:"memories,omitempty"`

	// The queues that gateways may name. Default: any.
	Queues []string `json:"queues,omitempty"`

	// The clusters that gateways may run their jobs on.
	Clusters []*Cluster `json:"clusters,omitempty"`

	// The runtime environments that gateways may give their jobs.
	Environments []*Environment `json:"environments,omitempty"`

	// The networks that Livy servers may join.
	Networks []*Network `json:"networks,omitempty"`

	// The file directories that jobs may find mounted.
	Directories []*Directory `json:"directories,omitempty"`

	// The acceleration profiles that gateways may use.
	Fusion []*Fusion `json:"fusion,omitempty"`

	// Gateways that stand in the configuration. All Caddy instances of one Redis
	// should name the same ones: the configuration that was loaded last counts.
	Gateways []*DeclaredGateway `json:"gateways,omitempty"`

	// What the gateway itself logs in with at Livy servers that want logins.
	LDAPLogins []*LDAPLogin `json:"ldap_logins,omitempty"`

	// The Spark history server that shows what has finished. Default: none.
	HistoryServer *HistoryServer `json:"history_server,omitempty"`

	// The address of the site with `livy_spark_ui`, e.g. `https://ui.example.com`. It
	// shows the Spark UIs of all gateways, which `livy_gateway` then does no more.
	// Default: none; Spark UIs are on the sites with `livy_gateway`.
	SparkUI string `json:"spark_ui,omitempty"`

	// Directories of the Livy servers' file systems that clients may name in
	// `file:` URIs. Default: none.
	LocalDirs []string `json:"local_dirs,omitempty"`

	// The largest body of a create request, in bytes. Default: 1 MiB.
	MaxBody int64 `json:"max_body,omitempty"`

	// The largest statement or job, in bytes. Default: 4 MiB.
	MaxCode int64 `json:"max_code,omitempty"`

	// The largest file that can be uploaded into a session, in bytes. Default:
	// 100 MiB, which is Livy's own limit too.
	MaxUpload int64 `json:"max_upload,omitempty"`

	// The schemes that URIs of jobs may have besides `file` and `local`. Default:
	// those of the usual file systems and object stores; see docs/policies.md.
	Schemes []string `json:"schemes,omitempty"`

	// What clients may set on gateways that do not say so themselves: `open` lets them
	// set whatever no guard, blacklist or rule forbids; `strict` lets them set the
	// settings, main classes and URI schemes of a list and what rules or the two
	// options below allow, and nothing else. Strict is recommended where gateways force
	// an identity or a queue. See docs/policies.md. Default: `open`.
	Policy string `json:"policy,omitempty"`

	// Settings that clients of all gateways may set although a policy is strict, or
	// although they are environment variables of Spark, Hadoop or Java, such as
	// `spark.executorEnv.JAVA_HOME`. A trailing `*` takes all that begin so.
	AllowConf []string `json:"allow_conf,omitempty"`

	// Main classes of batches that a strict policy lets through. A trailing `*` takes
	// all that begin so, e.g. `com.example.*`.
	AllowClasses []string `json:"allow_classes,omitempty"`

	// Keys beginning with `livy.` that clients may set all the same, e.g.
	// `livy.rsc.retained-statements`. All others are dropped.
	LivyKeys []string `json:"livy_keys,omitempty"`

	// Lets clients choose the user that jobs run as, on gateways that have no
	// identity of their own. Livy believes whatever name it is given, so this is
	// for installations in which every token may be everybody. Default: false.
	ClientIdentity bool `json:"client_identity,omitempty"`

	// Lets clients name class path and library path entries outside LocalDirs, in
	// `conf` and in Java options, and load agents there. What stands on a job's class
	// path runs as the job anyway: this keeps paths to what is reviewed, and is no
	// boundary against code. Default: false.
	CustomClasspath bool `json:"custom_classpath,omitempty"`

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
	before   replaced        // what Start replaced
	inForce  bool            // the whole configuration has been started
}

// replaced is what was in force before a configuration was started.
type replaced struct {
	current   *core
	settings  control.Settings // of the core that is started
	retention time.Duration
}

// Engine is a Livy and a Spark that run together.
type Engine struct {
	// The name by which gateways refer to the engine, e.g. `spark-3.5`.
	Name string `json:"name"`
	// The version of Livy. A server that answers with another one is not taken.
	// Default: `0.8.0`.
	Livy string `json:"livy,omitempty"`
	// The version of Spark, e.g. `3.5.8`.
	Spark string `json:"spark,omitempty"`
	// The version of Scala, e.g. `2.12`.
	Scala string `json:"scala,omitempty"`
	// The version of Java, e.g. `17`.
	Java string `json:"java,omitempty"`
	// The container image (runtime docker).
	Image string `json:"image,omitempty"`
	// Where Livy is unpacked (runtime process).
	LivyHome string `json:"livy_home,omitempty"`
	// Where Spark is unpacked (runtime process).
	SparkHome string `json:"spark_home,omitempty"`
	// Where Java is (runtime process). Default: the `java` in PATH.
	JavaHome string `json:"java_home,omitempty"`
	// The Python interpreter for PySpark (runtime process). Default: `python3`.
	Python string `json:"python,omitempty"`
	// The URL of an existing Livy server (runtime static).
	URL string `json:"url,omitempty"`
	// Where Spark jobs run: Livy's `livy.spark.master`. Default: local, with as
	// many threads as the gateway has cores.
	Master string `json:"master,omitempty"`
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
	key, err := json.Marshal([]any{a.Redis, mod.(caddy.Module).CaddyModule().ID, mod, a.Tokens})
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
	catalog := a.catalog()
	if err := catalog.Validate(); err != nil {
		return fmt.Errorf("livy: %w", err)
	}
	if h := (*gateway.HistoryServer)(a.HistoryServer); h != nil {
		if err := h.Validate(); err != nil {
			return fmt.Errorf("livy: %w", err)
		}
	}
	for _, e := range a.Engines {
		if err := a.core.checkEngine(e); err != nil {
			return fmt.Errorf("livy: engine %q: %w", e.Name, err)
		}
	}
	if a.SparkUI != "" {
		var err error
		if a.sparkUI, err = parseSiteOrigin(a.SparkUI); err != nil {
			return fmt.Errorf("livy: %w", err)
		}
	}
	switch a.OnExit {
	case "", "keep", "stop":
	default:
		return fmt.Errorf("livy: on_exit must be keep or stop, not %q", a.OnExit)
	}
	if err := a.validateBounds(); err != nil {
		return fmt.Errorf("livy: %w", err)
	}
	if _, err := policies.Compile(policies.Settings{Mode: a.Policy, Schemes: a.Schemes, Grants: a.grants()}); err != nil {
		return fmt.Errorf("livy: %w", err)
	}
	var err error
	if a.declared, err = a.declarations(); err != nil {
		return fmt.Errorf("livy: %w", err)
	}
	a.warnOfTypos()
	// Not in Start: sites of this configuration may have accepted connections by
	// then, which a refusal would break.
	if err := a.core.manager.CheckCatalog(&catalog, a.declared); err != nil {
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
		Catalog: a.catalog(), Logins: a.logins, LocalDirs: a.LocalDirs,
		History: (*gateway.HistoryServer)(a.HistoryServer), SparkUISite: a.sparkUI,
		MaxBody: a.MaxBody, MaxCode: a.MaxCode, MaxUpload: a.MaxUpload,
		Schemes: a.Schemes, LivyKeys: a.LivyKeys,
		PolicyMode: a.Policy, Grants: a.grants(),
		ClientIdentity: a.ClientIdentity, CustomClasspath: a.CustomClasspath,
		StartTimeout: time.Duration(a.StartTimeout), StopOnExit: a.OnExit == "stop",
		AuditRetention: time.Duration(a.AuditRetention),
	}
}

// grants are what the configuration allows clients of all gateways.
func (a *App) grants() (all []policies.Grant) {
	for _, name := range a.AllowConf {
		all = append(all, policies.Grant{What: policies.GrantConf, Name: name, Source: "option allow_conf"})
	}
	for _, name := range a.AllowClasses {
		all = append(all, policies.Grant{What: policies.GrantClass, Name: name, Source: "option allow_class"})
	}
	return all
}

// Start puts this configuration into force.
func (a *App) Start() error {
	a.before = replaced{current: current.Load(), settings: a.core.manager.Settings()}
	a.core.manager.Configure(a.settings())
	a.before.retention = a.core.ledger.SetRetention(cmp.Or(time.Duration(a.Retention), sessions.DefaultRetention))
	if err := a.core.start(); err != nil {
		return errors.Join(err, a.Stop())
	}
	current.Store(a.core)
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
