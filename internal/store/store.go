// Package store stores everything that outlives a process in Redis: gateways, tokens and
// records of sessions. It is the only package that imports the Redis client. It deals with
// keys, scripts and failures, not with rules: package tokens decides what a token may do,
// package gateway what a gateway is.
//
// Every change is one Lua script, so that it happens whole or not at all, and every script that
// changes what others may have cached publishes the change (see Watch). It publishes before it
// writes: the notice goes out with the script's end in any case, and where the Redis user may not
// publish, nothing is written. Reads go to the primary only, since a replica may be behind a
// revocation.
//
// Nothing is retried in here, because a script whose reply was lost may have run. Callers
// that can wait use Retry.
package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
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
	rdb     redis.UniversalClient
	options Options // complete
	prefix  string
	confirm int
	log     *zap.Logger
	marked  atomic.Bool // Redis was seen with the mark
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
	rdb := redis.NewUniversalClient(o.universal())
	if o.Observer.Command != nil {
		rdb.AddHook(observeCommands(o.Observer.Command))
	}
	return &Store{
		rdb:     rdb,
		options: o,
		prefix:  o.Prefix,
		confirm: o.Confirm,
		log:     log,
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
func (s *Store) Describe() string { return s.options.Describe() }

// Ping asks Redis for a sign of life. A Redis that has lost its data gives none.
func (s *Store) Ping(ctx context.Context) error {
	const doing = "pinging Redis"
	if !s.marked.Load() {
		return wrap(doing, s.rdb.Ping(ctx).Err())
	}
	return s.checkMark(ctx, doing)
}

// key joins parts to a key with the prefix: key("token", "lctk-x") is "livygw:token:lctk-x".
func (s *Store) key(parts ...string) string {
	return s.prefix + strings.Join(parts, ":")
}

// run runs a script and maps its error. A script whose reply was lost may still have run.
func (s *Store) run(ctx context.Context, doing string, c script, keys []string, args ...any) (any, error) {
	v, err := c.Run(ctx, s, Fence{}, keys, args...).Result()
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
func (s *Store) runConfirmed(ctx context.Context, doing string, c script, keys []string, args ...any) (any, error) {
	if s.confirm == 0 {
		return s.run(ctx, doing, c, keys, args...)
	}
	node, err := s.primary(ctx, keys[0])
	if err != nil {
		return nil, wrap(doing, err)
	}
	// Redis checks its clock ten times a second, so the reply of WAIT may come later than asked.
	node = node.WithTimeout(2 * confirmTimeout)
	// WAIT covers the writes of its own connection; a pipeline uses one connection for both.
	pipe := node.Pipeline()
	changed := pipe.Eval(ctx, c.text, s.withMark(keys), args...)
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
	if replicas >= s.confirm {
		return v, nil
	}
	none, err := hasNoReplica(ctx, node)
	if err != nil {
		return nil, gateway.Errorf(gateway.KindUnavailable,
			"%s: Redis made the change, but no replica confirmed it within %s, and whether there is one cannot be seen: %w", doing, confirmTimeout, err)
	}
	if !none {
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

// hasNoReplica reports whether no replica is connected to a primary. A Redis user that
// may not run INFO may be allowed ROLE.
func hasNoReplica(ctx context.Context, node *redis.Client) (bool, error) {
	info, err := node.Info(ctx, "replication").Result()
	if err == nil {
		return strings.Contains(info, "connected_slaves:0"), nil
	}
	role, roleErr := node.Do(ctx, "ROLE").Slice()
	if roleErr != nil || len(role) < 3 || role[0] != "master" {
		return false, errors.Join(err, roleErr)
	}
	replicas, ok := role[2].([]any)
	return ok && len(replicas) == 0, nil
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
