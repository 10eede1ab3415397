package store

import (
	"context"
	"slices"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/livygateway/livygateway/internal/gateway"
)

// ErrFenced says that the lease which a write was made under is another
// instance's by now, so that nothing was written.
var ErrFenced error = gateway.Errorf(gateway.KindConflict, "the lease on this gateway was given to another instance")

// Fence names the lease under which something is written: once a higher number
// was given out for the gateway, Redis takes nothing more under this one.
type Fence struct {
	GatewayID string
	Number    int64
}

type fenceKey struct{}

// WithFence returns a context under which every write of a Store is refused with
// ErrFenced as soon as the lease is another one's.
func WithFence(ctx context.Context, f Fence) context.Context {
	return context.WithValue(ctx, fenceKey{}, f)
}

// Unfenced returns a context without a fence, for writes that are not the
// supervisor's, such as those of clients' requests that were kept for later.
func Unfenced(ctx context.Context) context.Context {
	return context.WithValue(ctx, fenceKey{}, Fence{})
}

func fenceOf(ctx context.Context) (Fence, bool) {
	f, _ := ctx.Value(fenceKey{}).(Fence)
	return f, f.GatewayID != ""
}

// fencedReply is what a script answers instead of doing anything.
const fencedReply = "FENCED"

// checkFence goes before a script that writes. It takes its own key and
// arguments off the end, so that the script sees only what is meant for it.
const checkFence = `
do
  local number = table.remove(ARGV)
  local lease = redis.call('HGET', table.remove(KEYS), table.remove(ARGV))
  if not lease or string.match(lease, '^%d+') ~= number then return redis.error_reply('` + fencedReply + ` the lease is lost') end
end
`

// script is a Lua script that writes; it obeys the fence of its context.
type script struct{ plain, fenced *redis.Script }

func newScript(text string) script {
	return script{plain: redis.NewScript(text), fenced: redis.NewScript(checkFence + text)}
}

// Run runs the script, or fails with ErrFenced.
func (c script) Run(ctx context.Context, s *Store, keys []string, args ...any) *redis.Cmd {
	f, ok := fenceOf(ctx)
	if !ok {
		return c.plain.Run(ctx, s.rdb, keys, args...)
	}
	keys = append(slices.Clip(keys), s.key("leases"))
	args = append(slices.Clip(args), f.GatewayID, strconv.FormatInt(f.Number, 10))
	cmd := c.fenced.Run(ctx, s.rdb, keys, args...)
	if redis.HasErrorPrefix(cmd.Err(), fencedReply) {
		cmd.SetErr(ErrFenced)
	}
	return cmd
}

var fenceScript = newScript(`return 1`)

// CheckFence fails with ErrFenced when the lease of the context's fence is
// another one's. Without a fence it does nothing.
func (s *Store) CheckFence(ctx context.Context) error {
	if _, ok := fenceOf(ctx); !ok {
		return nil
	}
	return wrap("checking a lease", fenceScript.Run(ctx, s, nil).Err())
}
