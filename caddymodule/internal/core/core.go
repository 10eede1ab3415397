// Package core has what the Caddy modules of Livy Gateway share: the Core that survives reloads,
// how handlers find it, error replies, the access log, metrics and events.
package core

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/accesskeys"
	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/budgets"
	"github.com/livygateway/livygateway/internal/control"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/notices"
	"github.com/livygateway/livygateway/internal/sessions"
	"github.com/livygateway/livygateway/internal/sparkui"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/tokens"
	"github.com/livygateway/livygateway/upstream"
)

// pool holds the cores: connections, caches and the supervision of Livy servers survive a reload.
// Configurations with the same Redis and runtime share one Core.
var pool = caddy.NewUsagePool()

// RedisPatience is how long to wait for a reply of Redis; 0 is the store's default. Tests wait
// longer.
var RedisPatience time.Duration

// Core has all parts of the gateway that do not depend on Caddy, wired together.
type Core struct {
	Store    *store.Store
	Tokens   *tokens.Service
	Ledger   *sessions.Ledger
	Manager  *control.Manager
	API      *api.Server
	Refusals *control.Refusals
	SparkUI  *sparkui.Server
	// AccessKeys are those of the managed product's API.
	AccessKeys *accesskeys.Service
	// Notices reports what somebody should know.
	Notices *notices.Service
	// Budgets checks creates against budgets and quotas.
	Budgets *budgets.Service
	Log     *zap.Logger

	events   chan event
	samples  samples
	embedded func() // stops the embedded Redis, if there is one
	once     sync.Once
	started  atomic.Bool
	cancel   context.CancelFunc
	wg       sync.WaitGroup
}

// Options are the options of a Core.
type Options struct {
	// Redis is where the state is stored.
	Redis store.Options
	// Embedded uses an in-memory Redis in this process instead.
	Embedded bool
	// Tokens has the settings of all tokens.
	Tokens tokens.Options
	// CheckpointDir is the directory of the files by which a restored Redis is noticed.
	CheckpointDir string
	// OpenRuntime opens the runtime. It must not use the network.
	OpenRuntime func(*zap.Logger) (upstream.Runtime, error)
}

// Acquire returns the core with a key, and creates it if there is none. Each call needs a call of
// Release.
func Acquire(key string, o Options) (*Core, error) {
	value, _, err := pool.LoadOrNew(key, func() (caddy.Destructor, error) { return New(o) })
	if err != nil {
		return nil, err
	}
	return value.(*Core), nil
}

// Release releases a core, which ends with its last user.
func Release(key string, c *Core) error {
	last, err := pool.Delete(key)
	if last {
		outOfForce(c)
	}
	return err
}

// New creates a core. It does not use the network yet.
func New(o Options) (_ *Core, err error) {
	c := &Core{Log: zap.New(liveCore{}).Named("livy"), events: make(chan event, maxEvents)}
	rt, err := o.OpenRuntime(c.Log)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, rt.Close())
			c.endEmbedded()
		}
	}()
	options := o.Redis
	if options.Timeout == 0 {
		options.Timeout = RedisPatience
	}
	if o.Embedded {
		var address string
		if address, c.embedded, err = store.StartEmbedded(); err != nil {
			return nil, err
		}
		options.Addrs, options.URL, o.CheckpointDir = []string{address}, "", ""
		c.Log.Warn("using the embedded Redis: gateways, tokens and records end with this process")
	}
	options.Observer = c.observer()
	c.samples.audit = -1
	if c.Store, err = store.Open(options, c.Log); err != nil {
		return nil, err
	}
	c.Tokens = tokens.New(c.Store, o.Tokens, c.Log)
	c.Ledger = sessions.New(c.Store, c.Log, time.Now, rand.Reader)
	begun := time.Now()
	c.Ledger.CompareClock(func() time.Duration { return time.Since(begun) })
	c.Manager = control.New(control.Options{
		Store: c.Store, Runtime: rt, Ledger: c.Ledger, Tokens: c.Tokens, Logger: c.Log, CheckpointDir: o.CheckpointDir,
		OnTransition: c.noteTransition, OnServerFailure: c.noteServerFailure,
	})
	c.SparkUI = sparkui.New(sparkui.Options{
		Store: c.Store, Ledger: c.Ledger, Tokens: c.Tokens, Runtime: rt, Manager: c.Manager, Logger: c.Log,
	})
	c.Notices = notices.New(notices.Options{Store: c.Store, Logger: c.Log, Rand: rand.Reader, Emit: c.emitNotice})
	c.Budgets = budgets.New(budgets.Options{
		Store: c.Store, Logger: c.Log, Gateways: c.Manager.Snapshot, Tokens: c.tokensOf,
		Stop: c.stopForBudget, Report: c.reportBreach, Interval: BudgetInterval,
	})
	c.Refusals = control.NewRefusals(c.Store.AppendAudit, c.Log)
	c.AccessKeys = accesskeys.New(c.Store, time.Now, c.Log)
	c.API = &api.Server{
		Manager: c.Manager, Tokens: c.Tokens, Store: c.Store, AccessKeys: c.AccessKeys, Refusals: c.Refusals,
		Budgets: c.Budgets, Logger: c.Log, Sites: Sites,
	}
	return c, nil
}

// Start starts the background work, once. It fails if Redis has data that this version does not
// understand. If Redis cannot be reached, it waits for Redis in the background.
func (c *Core) Start() error {
	err := c.checkSchema(context.Background())
	if err != nil && gateway.KindOf(err) != gateway.KindUnavailable {
		return err
	}
	c.once.Do(func() {
		c.started.Store(true)
		ctx, cancel := context.WithCancel(context.Background())
		c.cancel = cancel
		if err != nil {
			c.Log.Warn("Redis cannot be reached; waiting for it", zap.Error(err))
			c.wg.Go(func() { c.awaitSchema(ctx) })
		}
		c.wg.Go(func() { c.Tokens.Run(ctx) })
		c.wg.Go(func() { c.Ledger.Run(ctx) })
		c.wg.Go(func() { c.Refusals.Run(ctx) })
		c.wg.Go(func() { c.Budgets.Run(ctx) })
		c.wg.Go(func() { c.Notices.Run(ctx) })
		c.wg.Go(func() { c.AccessKeys.Run(ctx) })
		c.wg.Go(func() { c.emitEvents(ctx) })
		c.wg.Go(func() { c.takeSamples(ctx) })
		c.Manager.Run()
	})
	return nil
}

// Started reports whether a configuration with this core has been started.
func (c *Core) Started() bool { return c.started.Load() }

// answerTimeout bounds how long Redis and the runtime may take to answer for a reload.
const answerTimeout = 2 * time.Second

// Answers returns an error if Redis or the runtime does not answer.
func (c *Core) Answers(ctx context.Context) error {
	if err := store.Retry(ctx, answerTimeout, c.Store.Ping); err != nil {
		return fmt.Errorf("cannot use Redis: %w", err)
	}
	p, ok := c.Manager.Runtime.(upstream.Pinger)
	if !ok {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, answerTimeout)
	defer cancel()
	if err := p.Ping(ctx); err != nil {
		return fmt.Errorf("cannot use runtime %s: %w", c.Manager.Runtime.Name(), err)
	}
	return nil
}

func (c *Core) checkSchema(ctx context.Context) error {
	return store.Retry(ctx, time.Second, c.Store.Migrate)
}

func (c *Core) awaitSchema(ctx context.Context) {
	for ctx.Err() == nil {
		err := c.checkSchema(ctx)
		if err == nil {
			c.Log.Info("Redis can be reached")
			return
		}
		if gateway.KindOf(err) != gateway.KindUnavailable {
			c.Log.Error("Redis cannot be used", zap.Error(err))
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// Destruct ends the core. It is called when no configuration uses the core any more.
func (c *Core) Destruct() error {
	c.Manager.Close(caddy.Exiting())
	if c.cancel != nil {
		c.cancel()
	}
	c.wg.Wait()
	err := errors.Join(c.Store.Close(), c.Manager.Runtime.Close())
	c.endEmbedded()
	return err
}

func (c *Core) endEmbedded() {
	if c.embedded != nil {
		c.embedded()
	}
}

// Interface guard
var _ caddy.Destructor = (*Core)(nil)
