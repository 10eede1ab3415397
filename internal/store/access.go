package store

import (
	"context"
	"crypto/sha1" //nolint:gosec // the name that Redis gives to a script
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/livygateway/livygateway/internal/doctor"
	"github.com/livygateway/livygateway/internal/gateway"
)

// A Redis user with an ACL may lack a command, the keys or the channel. What is
// needed is tried on a key of its own, since asking Redis with ACL DRYRUN takes a
// permission that such a user rarely has.

// probeCommands are the commands that are sent, by themselves or by scripts, with what
// follows the key. They are run on a key that holds a string: all but the first few
// fail, after Redis has looked at the user's permissions. A test compares the list with
// the commands in this package.
var probeCommands = []string{
	"SET 1", "PEXPIRE 2000", "PERSIST", "PEXPIRE 2000", "EXISTS", "GET", "MGET", "SETNX 1",
	"HDEL f", "HEXISTS f", "HGET f", "HGETALL", "HINCRBY f 1", "HKEYS", "HMGET f", "HSET f 1", "HSETNX f 1",
	"SADD m", "SCARD", "SISMEMBER m", "SMEMBERS", "SREM m",
	"XADD * f 1", "XDEL 1-1", "XLEN", "XRANGE - +", "XREVRANGE + -", "XTRIM MINID 1",
	"ZADD 1 m", "ZCARD", "ZCOUNT 0 1", "ZRANGE 0 1", "ZRANGEBYSCORE 0 1", "ZREM m", "ZREMRANGEBYSCORE 0 1", "ZREVRANGE 0 1",
	"ZREVRANGEBYSCORE 1 0", "ZSCORE m",
	"RENAME KEY", "UNLINK", "DEL",
}

// probeKeys are keys like those in use.
var probeKeys = []string{
	"schema", "gateways", "gateway-revisions", "gateway-names", "leases", "instances", "clock", "installation", "audit", "deleted",
	"token:access", "tokens:access", "tokens-revoked:access", "owner-tokens:access", "secret:access", "used:access", "ids:access", "names:access", "records:access",
	"record-ids:access", "record-index:access:t:access:s:access", "record-tokens:access", "live:access:t:access:session",
	"pending:access", "warm:access", "usage:access", "spent:access", "held:user:access", "token-users", "noticed:access", "notices:access", "statements:access", "statements-index:access", "repeat:access", "key:access",
	"access-keys", "access-keys-used", "nonce:access:access", "token-text:access:access",
}

// probe runs all of it and returns what Redis refused. PERSIST asks for the right to
// write a key, and does nothing to one that does not expire.
//
// KEYS: the key of its own. ARGV: channel, message, number of commands, the commands,
// the other keys
const probe = `
local refused = {}
local function try(...)
  local reply = redis.pcall(...)
  if type(reply) == 'table' and reply.err then refused[#refused+1] = {(...), reply.err} end
end
try('TIME')
try('PUBLISH', ARGV[1], ARGV[2])
local commands = tonumber(ARGV[3])
for i = 4, 3 + commands do
  local words = {}
  for word in string.gmatch(ARGV[i], '%S+') do
    words[#words+1] = word == 'KEY' and KEYS[1] or word
    if #words == 1 then words[2] = KEYS[1] end
  end
  try(unpack(words))
end
for i = 4 + commands, #ARGV do
  try('EXISTS', ARGV[i])
  try('PERSIST', ARGV[i])
end
return refused
`

// lack is a permission that the Redis user does not have.
type lack struct {
	what  string // "run XADD"
	grant string // "+xadd", for ACL SETUSER
}

// isDenied reports whether err is Redis's refusal for want of a permission.
func isDenied(err error) bool {
	reply, ok := errors.AsType[redis.Error](err)
	return ok && deniedText(reply.Error())
}

// deniedText knows the replies of Redis 6, 7 and 8, from outside and inside of scripts.
func deniedText(reply string) bool {
	for _, part := range []string{"NOPERM", "The user executing the script can't", "ACL failure in script"} {
		if strings.Contains(reply, part) {
			return true
		}
	}
	return false
}

// lackOf reads what is missing from Redis's refusal of a command.
func (s *Store) lackOf(command, reply string) lack {
	command = strings.ToLower(command)
	switch {
	case strings.Contains(reply, "channel"):
		what := "publish to"
		if command == "subscribe" {
			what = "subscribe to"
		}
		return lack{what + " the channel " + s.channel(), "&" + escapePattern(s.prefix) + "*"}
	case strings.Contains(reply, " key"):
		return lack{"read and write all keys that begin with " + s.prefix, "~" + escapePattern(s.prefix) + "*"}
	}
	return lack{"run " + strings.ToUpper(strings.ReplaceAll(command, "|", " ")), "+" + command}
}

// lacks returns what the Redis user may not do of what it has to. Errors are those of a
// Redis that cannot be used.
func (s *Store) lacks(ctx context.Context) ([]lack, error) {
	const doing = "looking at what the Redis user may do"
	own := s.key("access")
	node, err := s.primary(ctx, own)
	if err != nil {
		return nil, wrap(doing, err)
	}
	args := []any{s.channel(), message("access", ""), len(probeCommands)}
	for _, c := range probeCommands {
		args = append(args, c)
	}
	for _, k := range probeKeys {
		args = append(args, s.key(k))
	}
	sum := sha1.Sum([]byte(probe)) //nolint:gosec // see above
	pipe := node.Pipeline()
	alone := map[string]redis.Cmder{
		"ping":        pipe.Ping(ctx),
		"scan":        pipe.Scan(ctx, 0, escapePattern(own), 1),
		"script|load": pipe.ScriptLoad(ctx, probe),
		"evalsha":     pipe.EvalSha(ctx, hex.EncodeToString(sum[:]), []string{own}, args...),
		"eval":        pipe.Eval(ctx, probe, []string{own}, args...),
	}
	if s.confirm > 0 {
		alone["wait"] = pipe.Do(ctx, "WAIT", 0, 1)
	}
	_, _ = pipe.Exec(ctx) // each command has its own error
	var found []lack
	add := func(command, reply string) {
		if l := s.lackOf(command, reply); deniedText(reply) && !slices.Contains(found, l) {
			found = append(found, l)
		}
	}
	add("subscribe", s.trySubscribe(ctx, node))
	for command, cmd := range alone {
		switch err := cmd.Err(); {
		case isDenied(err):
			add(command, err.Error())
		case err != nil && command == "eval":
			return nil, wrap(doing, err)
		}
	}
	for _, command := range []string{"eval", "evalsha"} {
		refused, _ := alone[command].(*redis.Cmd).Slice()
		for _, r := range refused {
			if pair := texts(r); len(pair) == 2 {
				add(pair[0], pair[1])
			}
		}
	}
	slices.SortFunc(found, func(a, b lack) int { return strings.Compare(a.grant, b.grant) })
	return found, nil
}

// trySubscribe returns Redis's refusal of a subscription, if it refuses one. That
// nothing is heard at all shows elsewhere.
func (s *Store) trySubscribe(ctx context.Context, node *redis.Client) string {
	sub := node.Subscribe(ctx, s.channel())
	defer sub.Close()
	if _, err := sub.ReceiveTimeout(ctx, s.options.ConnectTimeout+s.options.Timeout); err != nil {
		return err.Error()
	}
	return ""
}

// lacking puts what is missing, and the command that grants it, into words.
func (s *Store) lacking(lacks []lack) (what, mend string) {
	user := s.options.Username
	if user == "" {
		user = "default"
	}
	var whats, grants []string
	for _, l := range lacks {
		whats = append(whats, l.what)
		if grant := "'" + l.grant + "'"; !slices.Contains(grants, grant) {
			grants = append(grants, grant)
		}
	}
	return fmt.Sprintf("the Redis user %q may not %s", user, strings.Join(whats, ", ")),
		"redis-cli ACL SETUSER " + user + " " + strings.Join(grants, " ")
}

// checkAccess fails if the Redis user may not do all that is needed.
func (s *Store) checkAccess(ctx context.Context) error {
	lacks, err := s.lacks(ctx)
	if err != nil || len(lacks) == 0 {
		return err
	}
	what, mend := s.lacking(lacks)
	return gateway.Errorf(gateway.KindUnavailable, "%s; run: %s", what, mend)
}

// examineAccess is checkAccess for the doctor.
func (s *Store) examineAccess(ctx context.Context) []doctor.Result {
	lacks, err := s.lacks(ctx)
	if err != nil || len(lacks) == 0 {
		return nil // an error shows elsewhere
	}
	what, mend := s.lacking(lacks)
	return []doctor.Result{doctor.Failure("redis access", what, mend+"; docs/redis.md has all that is needed")}
}
