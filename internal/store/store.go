// Package store keeps everything of ours that outlives a process, in Redis:
// gateways, tokens, records of sessions. It is the only package that imports
// the Redis client, and it knows keys, scripts and failures, not rules: what a
// token may do is decided in package tokens, what a gateway is in package
// gateway.
//
// Every change is one Lua script, so that it happens whole or not at all, and
// every script that changes what others may have cached publishes the change
// (see Watch). It publishes before it writes: the notice goes out with the script's
// end in any case, and where the Redis user may not publish, nothing is written. Reads go to the primary only, since a replica may be behind a
// revocation.
//
// Nothing is retried in here, because a script whose reply was lost may have
// run. A caller that can wait says so with Retry.
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

// silent is the Redis client's logger: every failure it would print reaches a
// caller as an error, which is logged or answered where it is understood.
type silent struct{}

func (silent) Printf(context.Context, string, ...any) {}

// Store is a connection to one Redis (a server, a Sentinel group or a
// cluster). It is safe for concurrent use.
type Store struct {
	rdb     redis.UniversalClient
	options Options // complete
	prefix  string
	confirm int
	log     *zap.Logger
	marked  atomic.Bool // Redis was seen with the mark
}

// Open prepares a store. It sends nothing over the network, so a
// configuration can be checked while Redis is away; the first use connects.
func Open(o Options, log *zap.Logger) (*Store, error) {
	o, err := o.complete()
	if err != nil {
		return nil, err
	}
	if log == nil {
		log = zap.NewNop()
	}
	return &Store{
		rdb:     redis.NewUniversalClient(o.universal()),
		options: o,
		prefix:  o.Prefix,
		confirm: o.Confirm,
		log:     log,
	}, nil
}

// Close closes all connections. Calls under way fail with KindUnavailable.
func (s *Store) Close() error {
	if err := s.rdb.Close(); err != nil && !errors.Is(err, redis.ErrClosed) {
		return wrap("closing the connections to Redis", err)
	}
	return nil
}

// Describe names the Redis in use for logs and status pages, without user
// names and passwords.
func (s *Store) Describe() string { return s.options.Describe() }

// Ping asks Redis for a sign of life. A Redis that has lost its data gives none.
func (s *Store) Ping(ctx context.Context) error {
	const doing = "asking Redis for a sign of life"
	if !s.marked.Load() {
		return wrap(doing, s.rdb.Ping(ctx).Err())
	}
	return s.checkMark(ctx, doing)
}

// key joins parts to a key of ours: key("token", "lctk-x") is "livygw:token:lctk-x".
func (s *Store) key(parts ...string) string {
	return s.prefix + strings.Join(parts, ":")
}

// run runs a script and maps its error. A script whose reply is lost may have
// run all the same.
func (s *Store) run(ctx context.Context, doing string, c script, keys []string, args ...any) (any, error) {
	v, err := c.Run(ctx, s, Fence{}, keys, args...).Result()
	if errors.Is(err, redis.Nil) { // the script returned nil or false
		return nil, nil
	}
	return v, wrap(doing, err)
}

// confirmPatience is how long a replica has to confirm a change.
const confirmPatience = 500 * time.Millisecond

// runConfirmed is run for changes that must not be undone by a failover, such
// as revoking a token: it returns success only when Options.Confirm replicas
// have the change too. With no replica connected there is none that could take
// over, and the primary's word is enough.
func (s *Store) runConfirmed(ctx context.Context, doing string, c script, keys []string, args ...any) (any, error) {
	if s.confirm == 0 {
		return s.run(ctx, doing, c, keys, args...)
	}
	node, err := s.primary(ctx, keys[0])
	if err != nil {
		return nil, wrap(doing, err)
	}
	// Redis looks at its clock ten times a second: the reply may be late by that.
	node = node.WithTimeout(2 * confirmPatience)
	// WAIT speaks of the changes of its own connection: a pipeline keeps both on one.
	pipe := node.Pipeline()
	changed := pipe.Eval(ctx, c.text, s.withMark(keys), args...)
	acked := pipe.Do(ctx, "WAIT", s.confirm, confirmPatience.Milliseconds())
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
			"%s: Redis made the change, but no replica confirmed it within %s, and whether there is one cannot be seen: %w", doing, confirmPatience, err)
	}
	if !none {
		return nil, gateway.Errorf(gateway.KindUnavailable,
			"%s: Redis made the change, but no replica confirmed it within %s; a failover could undo it: try again", doing, confirmPatience)
	}
	return v, nil
}

// primary is the client of the one server that a key is on.
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

// Retry calls fn until it succeeds, fails with anything but KindUnavailable,
// or patience has passed; it returns fn's last error. It is for what may be
// done twice: reads, and changes that are the same when repeated.
func Retry(ctx context.Context, patience time.Duration, fn func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, patience)
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
