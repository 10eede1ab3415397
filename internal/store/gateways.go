package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strconv"

	"github.com/livygateway/livygateway/internal/gateway"
)

// TopicGateway is the topic of events about a gateway; the event's ID is the
// gateway's id.
const TopicGateway = "gateway"

// saveGateway writes a gateway if its revision is unchanged, keeps names unique in the
// workspace (a renamed gateway releases its old name), and publishes the change.
//
// KEYS: gateways, revisions, names, audit
// ARGV: id, name reference, expected revision, document, channel, message, audit entry
// (empty: none)
var saveGateway = newScript(`
local current = tonumber(redis.call('HGET', KEYS[2], ARGV[1]) or '0')
if current ~= tonumber(ARGV[3]) then return 'revision' end
local owner = redis.call('HGET', KEYS[3], ARGV[2])
if owner and owner ~= ARGV[1] then return 'name' end
redis.call('PUBLISH', ARGV[5], ARGV[6])
if ARGV[7] ~= '' then redis.call('XADD', KEYS[4], '*', 'e', ARGV[7]) end
local before = redis.call('HGET', KEYS[1], ARGV[1])
if before then
  local doc = cjson.decode(before)
  local was = doc.workspace .. '/' .. doc.spec.name
  if was ~= ARGV[2] and redis.call('HGET', KEYS[3], was) == ARGV[1] then redis.call('HDEL', KEYS[3], was) end
end
redis.call('HSET', KEYS[1], ARGV[1], ARGV[4])
redis.call('HSET', KEYS[2], ARGV[1], current + 1)
redis.call('HSET', KEYS[3], ARGV[2], ARGV[1])
return 'ok'
`)

// deleteGateway removes a gateway, its name, its id counters, its last use and its
// lease, so that nobody writes under that any more, if its revision is still the
// one that was read. Its id is kept among the deleted ones until its records are gone
// too. Tokens are the callers' to revoke.
//
// KEYS: gateways, revisions, names, ids, used, leases, deleted
// ARGV: id, name reference, channel, message, expected revision
var deleteGateway = newScript(`
local current = redis.call('HGET', KEYS[2], ARGV[1])
if current and current ~= ARGV[5] then return 'revision' end
redis.call('PUBLISH', ARGV[3], ARGV[4])
redis.call('HDEL', KEYS[1], ARGV[1])
redis.call('HDEL', KEYS[2], ARGV[1])
if redis.call('HGET', KEYS[3], ARGV[2]) == ARGV[1] then redis.call('HDEL', KEYS[3], ARGV[2]) end
redis.call('DEL', KEYS[4], KEYS[5])
redis.call('HDEL', KEYS[6], ARGV[1])
redis.call('ZADD', KEYS[7], redis.call('TIME')[1], ARGV[1])
return 'ok'
`)

// ErrRevision is returned by SaveGateway when the gateway was changed since it was read.
var ErrRevision = errors.New("the gateway was changed in the meantime")

// SaveGateway creates (Revision 0) or changes a gateway and increments its Revision. It
// fails with ErrRevision if the stored revision differs, and with KindConflict if the name
// is taken in the workspace.
//
// A creation, and any change with an AuditEntry, is written to the audit log; other changes
// are not.
func (s *Store) SaveGateway(ctx context.Context, g *gateway.Gateway, w Write) error {
	next := *g
	next.Revision++
	doc, err := json.Marshal(&next)
	if err != nil {
		return fmt.Errorf("encoding gateway %s: %w", g.ID, err)
	}
	entry := ""
	if w.Audit != nil || g.Revision == 0 {
		entry, err = w.entry(AuditEntry{
			Action: "gateway.create", GatewayID: g.ID, Gateway: g.Ref(), Actor: g.CreatedBy,
		})
		if err != nil {
			return err
		}
	}
	keys := []string{s.key("gateways"), s.key("gateway-revisions"), s.key("gateway-names"), s.auditKey()}
	got, err := saveGateway.Run(ctx, s, w.Fence, keys,
		g.ID, g.Ref(), g.Revision, doc, s.channel(), message(TopicGateway, g.ID), entry).Text()
	switch {
	case err != nil:
		return wrap("saving gateway", err)
	case got == "revision":
		return &gateway.Error{Kind: gateway.KindConflict, Rule: "saving gateway " + g.ID, Err: ErrRevision}
	case got == "name":
		return &gateway.Error{
			Kind: gateway.KindConflict, Field: "name", Value: g.Spec.Name,
			Rule: "is already used in workspace " + g.Workspace,
		}
	}
	g.Revision = next.Revision
	return nil
}

// DeleteGateway removes a gateway. It is not an error if the gateway does not exist. It fails
// with ErrRevision if the stored revision differs, and with ErrFenced if another instance holds
// the lease. It writes no audit entry: the request for the deletion has one.
func (s *Store) DeleteGateway(ctx context.Context, f Fence, g *gateway.Gateway) error {
	keys := []string{
		s.key("gateways"), s.key("gateway-revisions"), s.key("gateway-names"), s.key("ids", g.ID), s.key("used", g.ID),
		s.key("leases"), s.key("deleted"),
	}
	got, err := deleteGateway.Run(ctx, s, f, keys, g.ID, g.Ref(), s.channel(), message(TopicGateway, g.ID), g.Revision).Text()
	if err == nil && got == "revision" {
		return &gateway.Error{Kind: gateway.KindConflict, Rule: "deleting gateway " + g.ID, Err: ErrRevision}
	}
	return wrap("deleting gateway", err)
}

// Gateway reads one gateway by its id.
func (s *Store) Gateway(ctx context.Context, id string) (*gateway.Gateway, error) {
	doc, err := s.rdb.HGet(ctx, s.key("gateways"), id).Bytes()
	if err != nil {
		return nil, s.wrapMissing(ctx, "reading gateway "+id, err)
	}
	return decodeGateway(id, doc)
}

// Gateways reads all gateways, in no particular order.
func (s *Store) Gateways(ctx context.Context) ([]*gateway.Gateway, error) {
	docs, err := s.rdb.HGetAll(ctx, s.key("gateways")).Result()
	if err != nil {
		return nil, wrap("reading gateways", err)
	}
	if len(docs) == 0 {
		return nil, s.checkMark(ctx, "reading gateways")
	}
	all := make([]*gateway.Gateway, 0, len(docs))
	for id, doc := range docs {
		g, err := decodeGateway(id, []byte(doc))
		if err != nil {
			return nil, err
		}
		all = append(all, g)
	}
	return all, nil
}

// GatewaysByID reads the gateways with these ids, as far as they exist, in their order.
func (s *Store) GatewaysByID(ctx context.Context, ids []string) ([]*gateway.Gateway, error) {
	all := make([]*gateway.Gateway, 0, len(ids))
	for some := range slices.Chunk(ids, mergeAtOnce) {
		docs, err := s.rdb.HMGet(ctx, s.key("gateways"), some...).Result()
		if err != nil {
			return nil, wrap("reading gateways", err)
		}
		for i, doc := range docs {
			text, ok := doc.(string)
			if !ok {
				continue
			}
			g, err := decodeGateway(some[i], []byte(text))
			if err != nil {
				return nil, err
			}
			all = append(all, g)
		}
	}
	return all, nil
}

// GatewayRevisions reads the revisions of all gateways, by id.
func (s *Store) GatewayRevisions(ctx context.Context) (map[string]int64, error) {
	got, err := s.rdb.HGetAll(ctx, s.key("gateway-revisions")).Result()
	if err != nil {
		return nil, wrap("reading gateways", err)
	}
	if len(got) == 0 {
		return nil, s.checkMark(ctx, "reading gateways")
	}
	all := make(map[string]int64, len(got))
	for id, text := range got {
		n, _ := strconv.ParseInt(text, 10, 64)
		all[id] = n
	}
	return all, nil
}

func decodeGateway(id string, doc []byte) (*gateway.Gateway, error) {
	var g gateway.Gateway
	if err := json.Unmarshal(doc, &g); err != nil {
		return nil, fmt.Errorf("decoding gateway %s: %w", id, err)
	}
	return &g, nil
}
