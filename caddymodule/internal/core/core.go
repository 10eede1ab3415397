// Package core is what the Caddy modules of Livy Gateway share: the one Core that
// outlives a reload, how a handler finds it, and what all of them do alike: answer
// failures, write the access log, name the client.
package core

import (
	"context"
	"crypto/rand"
	"errors"
	"sync"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/control"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/sessions"
	"github.com/livygateway/livygateway/internal/sparkui"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/tokens"
	"github.com/livygateway/livygateway/upstream"
)

// pool holds what must outlive a reload: connections, caches, the supervision of Livy
// servers. Configurations that agree on Redis and runtime share one Core.
var pool = caddy.NewUsagePool()

// RedisPatience is how long an answer of Redis is waited for; 0 is the store's default.
// Tests are more patient.
var RedisPatience time.Duration

// Core is everything below the Caddy surface, wired together.
type Core struct {
	Store    *store.Store
	Tokens   *tokens.Service
	Ledger   *sessions.Ledger
	Manager  *control.Manager
	API      *api.Server
	Refusals *control.Refusals
	SparkUI  *sparkui.Server
	Log      *zap.Logger

	events   chan event
	embedded func() // ends the embedded Redis, if there is one
	once     sync.Once
	cancel   context.CancelFunc
	wg       sync.WaitGroup
}

// Options are what a core is made with.
type Options struct {
	// Redis is where the state is kept.
	Redis store.Options
	// Embedded takes an in-memory Redis in this process instead.
	Embedded bool
	// Tokens holds for all tokens.
	Tokens tokens.Options
	// MarkDir keeps what must be known when Redis was restored from a backup.
	MarkDir string
	// OpenRuntime opens what runs Livy servers; it must not use the network.
	OpenRuntime func(*zap.Logger) (upstream.Runtime, error)
}

// Acquire returns the core with a key, and makes it if there is none. Each call needs
// one of Release.
func Acquire(key string, o Options) (*Core, error) {
	value, _, err := pool.LoadOrNew(key, func() (caddy.Destructor, error) { return New(o) })
	if err != nil {
		return nil, err
	}
	return value.(*Core), nil
}

// Release lets go of a core, which ends with its last user.
func Release(key string, c *Core) error {
	last, err := pool.Delete(key)
	if last {
		outOfForce(c)
	}
	return err
}

// New makes a core. It uses no network yet.
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
		options.Addrs, options.URL, o.MarkDir = []string{address}, "", ""
		c.Log.Warn("using the embedded Redis: gateways, tokens and records end with this process")
	}
	if c.Store, err = store.Open(options, c.Log); err != nil {
		return nil, err
	}
	c.Tokens = tokens.New(c.Store, o.Tokens, c.Log)
	c.Ledger = sessions.New(c.Store, c.Log, time.Now, rand.Reader)
	c.Manager = control.New(control.Options{
		Store: c.Store, Runtime: rt, Ledger: c.Ledger, Tokens: c.Tokens, Logger: c.Log, MarkDir: o.MarkDir,
		OnTransition: c.noteTransition,
	})
	c.SparkUI = sparkui.New(sparkui.Options{
		Store: c.Store, Ledger: c.Ledger, Tokens: c.Tokens, Runtime: rt, Manager: c.Manager, Logger: c.Log,
	})
	c.Refusals = control.NewRefusals(c.Store.AppendAudit, c.Log)
	c.API = &api.Server{Manager: c.Manager, Tokens: c.Tokens, Store: c.Store, Refusals: c.Refusals, Logger: c.Log}
	return c, nil
}

// Start begins the work that goes on in the background, once. It fails when Redis holds
// what this version does not understand; a Redis that is away is waited for in the
// background.
func (c *Core) Start() error {
	err := c.checkSchema(context.Background())
	if err != nil && gateway.KindOf(err) != gateway.KindUnavailable {
		return err
	}
	c.once.Do(func() {
		ctx, cancel := context.WithCancel(context.Background())
		c.cancel = cancel
		if err != nil {
			c.Log.Warn("Redis is away; waiting for it", zap.Error(err))
			c.wg.Go(func() { c.awaitSchema(ctx) })
		}
		c.wg.Go(func() { c.Tokens.Run(ctx) })
		c.wg.Go(func() { c.Ledger.Run(ctx) })
		c.wg.Go(func() { c.Refusals.Run(ctx) })
		c.wg.Go(func() { c.emitEvents(ctx) })
		c.Manager.Run()
	})
	return nil
}

func (c *Core) checkSchema(ctx context.Context) error {
	return store.Retry(ctx, time.Second, c.Store.Migrate)
}

func (c *Core) awaitSchema(ctx context.Context) {
	for ctx.Err() == nil {
		err := c.checkSchema(ctx)
		if err == nil {
			c.Log.Info("Redis is there")
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

// Destruct ends it all; it runs when no configuration uses the core any more.
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
