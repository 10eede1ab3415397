package store

import (
	"context"
	"slices"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/livygateway/livygateway/internal/gateway"
)

// Write holds the conditions under which a gateway or token is changed, and the audit entry
// of the change. The zero Write is unconditional.
type Write struct {
	// Fence refuses the change once another instance holds the gateway's lease.
	Fence Fence
	// Order identifies the caller and holds the required revision of a token. For a
	// gateway the required revision is always that of the document being saved.
	gateway.Order
	// Audit is the entry to write with the change. If it is nil, SaveGateway writes an
	// entry for a creation only, and the other methods write a basic one.
	Audit *AuditEntry
	// MaxOwned is how many tokens the owner of a new token may have with it; 0 means
	// any number. Expired tokens count, revoked ones do not.
	MaxOwned int
}

// ErrFenced means that nothing was written because another instance holds the lease.
var ErrFenced error = gateway.Errorf(gateway.KindConflict,
	"the lease on this gateway was given to another instance")

// Fence is the lease under which a write is made: Redis refuses the write with
// ErrFenced once a lease with a higher number was granted for the gateway. The zero
// Fence refuses nothing.
type Fence struct {
	GatewayID string
	Number    int64
}

// fencedReply is what a script replies instead of doing anything.
const fencedReply = "FENCED"

// checkFence is prepended to scripts that write. It removes its own key and arguments
// from the end, so that the script sees only its own.
const checkFence = `
do
  local number = table.remove(ARGV)
  local lease = redis.call('HGET', table.remove(KEYS), table.remove(ARGV))
  if not lease or string.match(lease, '^%d+') ~= number then return redis.error_reply('` + fencedReply + ` the lease is lost') end
end
`

// script is a Lua script that does nothing in a Redis without our data (see requireMark),
// nor under a fence that does not hold any more.
type script struct {
	text          string
	plain, fenced *redis.Script
}

func newScript(text string) script {
	return script{text: requireMark + text, plain: redis.NewScript(requireMark + text), fenced: redis.NewScript(requireMark + checkFence + text)}
}

// Run runs the script, or fails with ErrFenced, or as a Redis that is away.
func (c script) Run(ctx context.Context, s *Store, f Fence, keys []string, args ...any) *redis.Cmd {
	if f.GatewayID == "" {
		return c.plain.Run(ctx, s.rdb, s.withMark(keys), args...)
	}
	keys = s.withMark(append(slices.Clip(keys), s.key("leases")))
	args = append(slices.Clip(args), f.GatewayID, strconv.FormatInt(f.Number, 10))
	cmd := c.fenced.Run(ctx, s.rdb, keys, args...)
	if redis.HasErrorPrefix(cmd.Err(), fencedReply) {
		cmd.SetErr(ErrFenced)
	}
	return cmd
}

var fenceScript = newScript(`return 1`)

// CheckFence fails with ErrFenced if another instance holds the lease.
func (s *Store) CheckFence(ctx context.Context, f Fence) error {
	if f.GatewayID == "" {
		return nil
	}
	return wrap("checking a lease", fenceScript.Run(ctx, s, f, nil).Err())
}
