package store

import (
	"context"
	"strconv"

	"github.com/redis/go-redis/v9"

	"github.com/livygateway/livygateway/internal/gateway"
)

// SchemaVersion is the layout of keys and values that this version reads and
// writes. docs/architecture.md describes it.
const SchemaVersion = 1

var schemaScript = redis.NewScript(`
local v = redis.call('GET', KEYS[1])
if v then return v end
redis.call('SET', KEYS[1], ARGV[1])
return ARGV[1]
`)

// CheckSchema makes sure that Redis holds data that this version understands:
// an empty database is marked with SchemaVersion, and one that a newer version
// has written is refused with KindConflict. It is to be called before the
// store is used; until the mark is there, unknown tokens are answered with
// KindUnavailable, since a Redis that lost its data knows no token at all.
func (s *Store) CheckSchema(ctx context.Context) error {
	v, err := s.run(ctx, "reading the schema version", schemaScript, []string{s.key("schema")}, strconv.Itoa(SchemaVersion))
	if err != nil {
		return err
	}
	text, _ := v.(string)
	return s.judgeSchema(text)
}

// judgeSchema says whether this version understands data of a schema version.
func (s *Store) judgeSchema(text string) error {
	found, err := strconv.Atoi(text)
	if err != nil {
		return gateway.Errorf(gateway.KindConflict,
			"the key %sschema holds %q, which is no schema version: the prefix is in use by something else, choose another", s.prefix, text)
	}
	if found > SchemaVersion {
		return gateway.Errorf(gateway.KindConflict,
			"Redis holds data of schema %d, written by a newer version; this one knows schema %d: upgrade it, or give it another prefix than %q", found, SchemaVersion, s.prefix)
	}
	return nil
}
