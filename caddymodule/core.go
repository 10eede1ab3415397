package caddymodule

import (
	"context"
	"crypto/rand"
	"errors"
	"path/filepath"
	"sync"
	"sync/atomic"
	"time"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/control"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/sessions"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/tokens"
)

// cores holds what must outlive a reload: connections, caches, the supervision
// of Livy servers. Configurations that agree on Redis and runtime share one.
var cores = caddy.NewUsagePool()

// current is the core of the configuration in force, for Caddy's admin endpoint,
// whose modules are made before apps.
var current atomic.Pointer[core]

// redisPatience is how long an answer of Redis is waited for; 0 is the store's
// default. Tests are more patient.
var redisPatience time.Duration

// core is everything below the Caddy surface, wired together.
type core struct {
	store    *store.Store
	embedded func() // ends the embedded Redis, if there is one
	tokens   *tokens.Service
	ledger   *sessions.Ledger
	manager  *control.Manager
	api      *api.Server
	refusals *control.Refusals
	runtime  Runtime
	ui       *sparkUIs
	log      *zap.Logger

	once   sync.Once
	cancel context.CancelFunc
	wg     sync.WaitGroup
}

func newCore(a *App, r Runtime) (_ *core, err error) {
	c := &core{runtime: r, log: zap.New(liveCore{}).Named("livy")}
	rt, err := r.Open(c.log)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, rt.Close())
			if c.embedded != nil {
				c.embedded()
			}
		}
	}()
	options, err := a.Redis.options()
	if err != nil {
		return nil, err
	}
	if a.Redis.Embedded {
		addr, end, err := store.StartEmbedded()
		if err != nil {
			return nil, err
		}
		options.Addrs, options.URL, c.embedded = []string{addr}, "", end
		c.log.Warn("using the embedded Redis: gateways, tokens and records end with this process")
	}
	if c.store, err = store.Open(options, c.log); err != nil {
		return nil, err
	}
	c.tokens = tokens.New(c.store, a.Tokens.options(), c.log)
	c.ledger = sessions.New(c.store, c.log, time.Now, rand.Reader)
	marks := filepath.Join(caddy.AppDataDir(), "livygateway")
	if a.Redis.Embedded {
		marks = ""
	}
	c.manager = control.New(control.Options{
		Store: c.store, Runtime: rt, Ledger: c.ledger, Tokens: c.tokens, Logger: c.log, MarkDir: marks,
	})
	c.ui = newSparkUIs(c.store, rt, c.manager)
	c.refusals = control.NewRefusals(c.store.AppendAudit, c.log)
	c.api = &api.Server{Manager: c.manager, Tokens: c.tokens, Store: c.store, Refusals: c.refusals, Logger: c.log}
	return c, nil
}

// start begins the work that goes on in the background, once. It fails when
// Redis holds what this version does not understand; a Redis that is away is
// waited for in the background.
func (c *core) start() error {
	err := c.checkSchema(context.Background())
	if err != nil && gateway.KindOf(err) != gateway.KindUnavailable {
		return err
	}
	c.once.Do(func() {
		ctx, cancel := context.WithCancel(context.Background())
		c.cancel = cancel
		if err != nil {
			c.log.Warn("Redis is away; waiting for it", zap.Error(err))
			c.wg.Go(func() { c.awaitSchema(ctx) })
		}
		c.wg.Go(func() { c.tokens.Run(ctx) })
		c.wg.Go(func() { c.ledger.Run(ctx) })
		c.wg.Go(func() { c.refusals.Run(ctx) })
		c.manager.Run()
	})
	return nil
}

func (c *core) checkSchema(ctx context.Context) error {
	return store.Retry(ctx, time.Second, c.store.Migrate)
}

func (c *core) awaitSchema(ctx context.Context) {
	for ctx.Err() == nil {
		err := c.checkSchema(ctx)
		if err == nil {
			c.log.Info("Redis is there")
			return
		}
		if gateway.KindOf(err) != gateway.KindUnavailable {
			c.log.Error("Redis cannot be used", zap.Error(err))
		}
		select {
		case <-ctx.Done():
		case <-time.After(time.Second):
		}
	}
}

// Destruct ends it all; it runs when no configuration uses the core any more.
func (c *core) Destruct() error {
	c.manager.Close(caddy.Exiting())
	if c.cancel != nil {
		c.cancel()
	}
	c.wg.Wait()
	err := errors.Join(c.store.Close(), c.manager.Runtime.Close())
	if c.embedded != nil {
		c.embedded()
	}
	return err
}

// Interface guard
var _ caddy.Destructor = (*core)(nil)
