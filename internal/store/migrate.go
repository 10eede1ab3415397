package store

import (
	"context"
	"errors"
	"strconv"
	"strings"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
)

// SchemaVersion is the layout of keys and values that this version reads and
// writes. docs/architecture.md describes it.
//
//	1  the audit log was "trail", statements were "audit:G" and "audit-index:G"
//	2  they are "audit", "statements:G" and "statements-index:G"
const SchemaVersion = 2

// migrate marks an empty Redis with the current schema version, and brings data of
// schema 1 to schema 2, all at once.
//
// Keys are renamed, which takes the same short time however large they are. Where
// the new key exists already, the old one is left to AdoptOldKeys; of the audit log
// those few new entries are moved behind the old ones, which keeps their order.
//
// KEYS: schema, gateways, trail, audit. ARGV: current version, and the prefixes
// audit:, audit-index:, statements:, statements-index:.
// Returns the version that was found, nil for none.
var migrate = redis.NewScript(`
local found = redis.call('GET', KEYS[1])
if found == '1' then
  if redis.call('EXISTS', KEYS[3]) == 1 then
    for _, entry in ipairs(redis.call('XRANGE', KEYS[4], '-', '+')) do
      redis.call('XADD', KEYS[3], '*', 'e', entry[2][2], 'at', entry[1])
    end
    redis.call('DEL', KEYS[4])
    redis.call('RENAME', KEYS[3], KEYS[4])
  end
  for _, id in ipairs(redis.call('HKEYS', KEYS[2])) do
    if redis.call('EXISTS', ARGV[2] .. id, ARGV[3] .. id) == 2 and redis.call('EXISTS', ARGV[4] .. id, ARGV[5] .. id) == 0 then
      redis.call('RENAME', ARGV[2] .. id, ARGV[4] .. id)
      redis.call('RENAME', ARGV[3] .. id, ARGV[5] .. id)
    end
  end
end
if not found or found == '1' then redis.call('SET', KEYS[1], ARGV[1]) end
return found
`)

// Migrate brings Redis to SchemaVersion. An empty database is marked with
// it, data of an older version is converted, and data of a newer version is refused
// with KindConflict. Call it before the store is used: until the mark is set, lookups
// of unknown tokens fail with KindUnavailable, because a Redis that lost its data
// knows no token at all. A Redis that loses them while this Store is in use is not
// marked again: Migrate fails with ErrEmptied.
//
// Several instances may call it at the same time. Instances of the version before
// may still be running: they do not notice, and what they write under the old keys
// is moved by AdoptOldKeys.
//
// Before anything else it is checked that the Redis user may do all that is done with
// the store, so that no change fails half-way: it fails with KindUnavailable, since
// the user's rights can be changed while it is tried again.
func (s *Store) Migrate(ctx context.Context) error {
	const doing = "reading the schema version"
	if s.marked.Load() {
		if err := s.checkMark(ctx, doing); err != nil {
			return err
		}
	}
	if err := s.checkAccess(ctx); err != nil {
		return err
	}
	found, err := migrate.Run(ctx, s.rdb, []string{s.key("schema"), s.key("gateways"), s.key(oldAuditKey), s.auditKey()},
		strconv.Itoa(SchemaVersion), s.key(oldStatementsKey, ""), s.key(oldStatementsIndexKey, ""),
		s.key("statements", ""), s.key("statements-index", "")).Text()
	if errors.Is(err, redis.Nil) { // it was empty
		s.marked.Store(true)
		return nil
	}
	if err != nil {
		return wrap(doing, err)
	}
	if err := s.checkSchema(found); err != nil {
		return err
	}
	s.marked.Store(true)
	if found == "1" {
		s.log.Info("migrated Redis", zap.String("from_schema", found), zap.Int("to_schema", SchemaVersion))
	}
	return nil
}

// checkSchema fails with KindConflict unless this version can use data of a schema
// version, after Migrate if it is an older one.
func (s *Store) checkSchema(text string) error {
	found, err := strconv.Atoi(text)
	if err != nil || found < 1 {
		return gateway.Errorf(gateway.KindConflict,
			"the key %sschema holds %q, which is not a schema version: the prefix is used by something else, choose another one", s.prefix, text)
	}
	if found > SchemaVersion {
		return gateway.Errorf(gateway.KindConflict,
			"Redis holds data of schema %d, written by a newer version; this version supports schemas up to %d: upgrade it, or choose another prefix than %q",
			found, SchemaVersion, s.prefix)
	}
	return nil
}

// The keys of schema 1.
const (
	oldAuditKey           = "trail"
	oldStatementsKey      = "audit"
	oldStatementsIndexKey = "audit-index"
)

// lateField holds the original ID of an audit entry that was appended later than
// it was written. The audit log stays append-only: such an entry keeps its time, and
// is listed where it was appended.
const lateField = "at"

// adoptChunk bounds how much one of the scripts below moves.
const adoptChunk = 200

// KEYS: trail, audit. ARGV: chunk
var adoptAudit = redis.NewScript(`
local entries = redis.call('XRANGE', KEYS[1], '-', '+', 'COUNT', ARGV[1])
for _, entry in ipairs(entries) do
  redis.call('XADD', KEYS[2], '*', 'e', entry[2][2], '` + lateField + `', entry[1])
  redis.call('XDEL', KEYS[1], entry[1])
end
if redis.call('XLEN', KEYS[1]) == 0 then redis.call('DEL', KEYS[1]) end
return #entries
`)

// KEYS: audit:G, audit-index:G, statements:G, statements-index:G. ARGV: chunk
var adoptStatements = redis.NewScript(`
local found = redis.call('ZRANGE', KEYS[2], 0, ARGV[1] - 1, 'WITHSCORES')
for i = 1, #found, 2 do
  local doc = redis.call('HGET', KEYS[1], found[i])
  if doc then
    redis.call('HSETNX', KEYS[3], found[i], doc)
    redis.call('ZADD', KEYS[4], found[i+1], found[i])
  end
  redis.call('HDEL', KEYS[1], found[i])
  redis.call('ZREM', KEYS[2], found[i])
end
return #found / 2
`)

// AdoptOldKeys moves entries and statements that instances of the previous version wrote
// under the keys of schema 1 after the migration, and returns their number. It can be
// interrupted anywhere and repeated; with nothing to move it is one command.
func (s *Store) AdoptOldKeys(ctx context.Context, gatewayIDs []string) (moved int, err error) {
	const doing = "moving entries of an older version"
	names := []string{s.key(oldAuditKey)}
	for _, id := range gatewayIDs {
		names = append(names, s.key(oldStatementsIndexKey, id))
	}
	left, err := s.rdb.Exists(ctx, names...).Result()
	if err != nil || left == 0 {
		return 0, wrap(doing, err)
	}
	all := func(script *redis.Script, keys ...string) error {
		for {
			n, err := script.Run(ctx, s.rdb, keys, adoptChunk).Int()
			moved += n
			if err != nil || n < adoptChunk {
				return wrap(doing, err)
			}
		}
	}
	if err := all(adoptAudit, s.key(oldAuditKey), s.auditKey()); err != nil {
		return moved, err
	}
	for _, id := range gatewayIDs {
		err := all(adoptStatements, s.key(oldStatementsKey, id), s.key(oldStatementsIndexKey, id),
			s.key("statements", id), s.key("statements-index", id))
		if err != nil {
			return moved, err
		}
	}
	return moved, nil
}

// DropOrphanedStatements removes the statements of gateways that no longer exist: an
// instance of the previous version does not delete them with the gateway. It scans
// all keys of the database.
func (s *Store) DropOrphanedStatements(ctx context.Context) (dropped int, err error) {
	const doing = "removing statements of deleted gateways"
	prefix := s.key("statements-index", "")
	node, err := s.primary(ctx, prefix)
	if err != nil {
		return 0, wrap(doing, err)
	}
	keys := node.Scan(ctx, 0, escapePattern(prefix)+"*", 1000).Iterator()
	for keys.Next(ctx) {
		id := strings.TrimPrefix(keys.Val(), prefix)
		known, err := s.rdb.HExists(ctx, s.key("gateways"), id).Result()
		if err != nil {
			return dropped, wrap(doing, err)
		}
		if known {
			continue
		}
		if err := s.rdb.Unlink(ctx, s.key("statements", id), s.key("statements-index", id)).Err(); err != nil {
			return dropped, wrap(doing, err)
		}
		dropped++
	}
	return dropped, wrap(doing, keys.Err())
}

// escapePattern escapes text for use in a Redis pattern.
func escapePattern(text string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(text)
}
