package store

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"time"

	"github.com/redis/go-redis/v9"
)

// Statement is a piece of code that a client ran in a session. Statements are
// stored for gateways whose statement audit is on.
type Statement struct {
	SessionID   int64  `json:"sessionId"` // public id
	StatementID int64  `json:"statementId"`
	TokenID     string `json:"tokenId"`
	TokenName   string `json:"tokenName,omitempty"`
	ClientAddr  string `json:"clientAddr,omitempty"`
	// CodeHash is the SHA-256 of the code in hexadecimal; Code is the code
	// itself, where it is kept.
	CodeHash  string    `json:"codeHash"`
	Code      string    `json:"code,omitempty"`
	Submitted time.Time `json:"submitted"`
	// Status is ok, error or cancelled, and DurationMs is the run time. Both are
	// empty until a client has fetched the result.
	Status     string `json:"status,omitempty"`
	DurationMs int64  `json:"durationMs,omitempty"`
}

func (st *Statement) ref() string { return statementRef(st.SessionID, st.StatementID) }

func statementRef(sessionID, statementID int64) string {
	return strconv.FormatInt(sessionID, 10) + ":" + strconv.FormatInt(statementID, 10)
}

// KEYS: statements, index. ARGV: the statement's reference, document, time (ms)
var saveStatement = newScript(`
redis.call('HSET', KEYS[1], ARGV[1], ARGV[2])
redis.call('ZADD', KEYS[2], ARGV[3], ARGV[1])
`)

// SaveStatement creates or replaces a statement.
func (s *Store) SaveStatement(ctx context.Context, gatewayID string, st *Statement) error {
	doc, err := json.Marshal(st)
	if err != nil {
		return fmt.Errorf("encoding a statement: %w", err)
	}
	_, err = s.run(ctx, "saving a statement", saveStatement,
		[]string{s.key("statements", gatewayID), s.key("statements-index", gatewayID)}, st.ref(), doc, st.Submitted.UnixMilli())
	return err
}

// Statement reads one statement; it fails with KindNotFound if there is none.
func (s *Store) Statement(
	ctx context.Context, gatewayID string, sessionID, statementID int64,
) (*Statement, error) {
	doc, err := s.rdb.HGet(ctx, s.key("statements", gatewayID), statementRef(sessionID, statementID)).Bytes()
	if err != nil {
		return nil, wrap("reading a statement", err)
	}
	var st Statement
	return &st, json.Unmarshal(doc, &st)
}

// Statements reads a page of a gateway's statements, newest first, and returns
// their total number.
func (s *Store) Statements(
	ctx context.Context, gatewayID string, offset, limit int64,
) ([]*Statement, int64, error) {
	index := s.key("statements-index", gatewayID)
	total, err := s.rdb.ZCard(ctx, index).Result()
	if err != nil {
		return nil, 0, wrap("counting statements", err)
	}
	refs, err := s.rdb.ZRevRange(ctx, index, offset, offset+limit-1).Result()
	if err != nil || len(refs) == 0 {
		return nil, total, wrap("reading statements", err)
	}
	docs, err := s.rdb.HMGet(ctx, s.key("statements", gatewayID), refs...).Result()
	if err != nil {
		return nil, 0, wrap("reading statements", err)
	}
	all := make([]*Statement, 0, len(docs))
	for _, doc := range docs {
		text, ok := doc.(string)
		if !ok {
			continue // trimmed between the two reads
		}
		var st Statement
		if err := json.Unmarshal([]byte(text), &st); err != nil {
			return nil, 0, fmt.Errorf("decoding a statement: %w", err)
		}
		all = append(all, &st)
	}
	return all, total, nil
}

// KEYS: statements, statements-index; ARGV: the statements to remove
var dropStatements = newScript(`
redis.call('HDEL', KEYS[1], unpack(ARGV))
return redis.call('ZREM', KEYS[2], unpack(ARGV))
`)

// DropStatements removes up to limit statements submitted before a time, and
// returns how many it removed.
func (s *Store) DropStatements(
	ctx context.Context, f Fence, gatewayID string, before time.Time, limit int64,
) (int, error) {
	index := s.key("statements-index", gatewayID)
	refs, err := s.rdb.ZRangeByScore(ctx, index, &redis.ZRangeBy{
		Min: "-inf", Max: "(" + strconv.FormatInt(before.UnixMilli(), 10), Count: limit,
	}).Result()
	if err != nil || len(refs) == 0 {
		return 0, wrap("trimming statements", err)
	}
	members := make([]any, len(refs))
	for i, ref := range refs {
		members[i] = ref
	}
	err = dropStatements.Run(ctx, s, f, []string{s.key("statements", gatewayID), index}, members...).Err()
	return len(refs), wrap("trimming statements", err)
}
