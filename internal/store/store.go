// Package store stores everything that outlives a process in Redis: gateways, tokens and
// records of sessions. It is the only package that imports the Redis client. It deals with
// keys, scripts and failures, not with rules: package tokens decides what a token may do,
// package gateway what a gateway is.
//
// Every change is one Lua script, so that it is atomic. Scripts publish changes to data
// that other instances may have cached (see Watch). Reads go to the primary only, since a
// replica may lag behind a revocation.
//
// Nothing is retried in here, because a script whose reply was lost may have run. Callers
// that can wait use Retry.
package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
)

func init() { redis.SetLogger(silent{}) }

// silent is the Redis client's logger. It prints nothing: every failure also reaches a
// caller as an error.
type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}

// Store is a connection to one Redis (a server, a Sentinel group or a cluster). It is safe
// for concurrent use.
type Store struct {
	rdb      redis.UniversalClient
	prefix   string
	confirm  int
	describe string
	log      *zap.Logger
}

// Open returns a store. It does no network I/O, so a configuration can be checked while
// Redis is unreachable; the first use connects.
func Open(o Options, log *zap.Logger) (*Store, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	if log == nil {
		log = zap.NewNop()
	}
	return &Store{
		rdb:      redis.NewUniversalClient(o.universal()),
		prefix:   o.Prefix,
		confirm:  o.Confirm,
		describe: o.Describe(),
		log:      log,
	}, nil
}

// Close closes all connections. Calls in progress fail with KindUnavailable.
func (s *Store) Close() error {
	if err := s.rdb.Close(); err != nil && !errors.Is(err, redis.ErrClosed) {
		return wrap("closing the connections to Redis", err)
	}
	return nil
}

// Describe returns the address of the Redis in use for logs and status pages, without user
// name and password.
func (s *Store) Describe() string { return s.describe }

// Ping checks that Redis answers.
func (s *Store) Ping(ctx context.Context) error {
	return wrap("pinging Redis", s.rdb.Ping(ctx).Err())
}

// key joins parts to a key with the prefix: key("token", "lctk-x") is "livygw:token:lctk-x".
func (s *Store) key(parts ...string) string {
	return s.prefix + strings.Join(parts, ":")
}

// run runs a script and maps its error. A script whose reply was lost may still have run.
func (s *Store) run(
	ctx context.Context, doing string, script *redis.Script, keys []string, args ...any,
) (any, error) {
	v, err := script.Run(ctx, s.rdb, keys, args...).Result()
	if errors.Is(err, redis.Nil) { // the script returned nil or false
		return nil, nil
	}
	return v, wrap(doing, err)
}

// confirmTimeout bounds how long to wait for replicas to confirm a change.
const confirmTimeout = 500 * time.Millisecond

// runConfirmed is run for changes that must survive a failover, such as revoking a token: it
// succeeds only when Options.Confirm replicas have the change too. With no replica connected
// there is none that could take over, and the primary's reply is enough.
func (s *Store) runConfirmed(ctx context.Context, doing, script string, keys []string, args ...any) (any, error) {
	if s.confirm == 0 {
		return s.run(ctx, doing, redis.NewScript(script), keys, args...)
	}
	node, err := s.primary(ctx, keys[0])
	if err != nil {
		return nil, wrap(doing, err)
	}
	// Redis checks its clock ten times a second, so the reply of WAIT may come later than asked.
	node = node.WithTimeout(2 * confirmTimeout)
	// WAIT covers the writes of its own connection; a pipeline uses one connection for both.
	pipe := node.Pipeline()
	changed := pipe.Eval(ctx, script, keys, args...)
	acked := pipe.Do(ctx, "WAIT", s.confirm, confirmTimeout.Milliseconds())
	_, _ = pipe.Exec(ctx) // each command has its own error
	v, err := changed.Result()
	if err != nil && !errors.Is(err, redis.Nil) {
		return nil, wrap(doing, err)
	}
	replicas, err := acked.Int()
	if err != nil {
		return nil, wrap(doing+": waiting for a replica", err)
	}
	if replicas < s.confirm && !hasNoReplica(ctx, node) {
		return nil, gateway.Errorf(gateway.KindUnavailable,
			"%s: Redis made the change, but no replica confirmed it within %s; a failover could undo it: try again",
			doing, confirmTimeout)
	}
	return v, nil
}

// primary returns the client of the server that holds a key.
func (s *Store) primary(ctx context.Context, key string) (*redis.Client, error) {
	switch c := s.rdb.(type) {
	case *redis.ClusterClient:
		return c.MasterForKey(ctx, key)
	case *redis.Client:
		return c, nil
	default:
		return nil, fmt.Errorf("no primary is known for a %T", c)
	}
}

func hasNoReplica(ctx context.Context, node redis.Cmdable) bool {
	info, err := node.Info(ctx, "replication").Result()
	return err == nil && strings.Contains(info, "connected_slaves:0")
}

// Retry calls fn until it succeeds, fails with an error other than KindUnavailable, or the
// timeout has passed; it returns fn's last error. Use it for idempotent operations only.
func Retry(ctx context.Context, timeout time.Duration, fn func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, timeout)
	defer cancel()
	for pause := 20 * time.Millisecond; ; pause = min(2*pause, 200*time.Millisecond) {
		err := fn(ctx)
		if err == nil || gateway.KindOf(err) != gateway.KindUnavailable {
			return err
		}
		select {
		case <-ctx.Done():
			return err
		case <-time.After(pause):
		}
	}
}
