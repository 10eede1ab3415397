package sessions

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/store"
)

// SubmittedStatement is a statement that Livy accepted.
type SubmittedStatement struct {
	SessionID   int64 // public id
	StatementID int64 // Livy's id
	// TokenID, TokenName and ClientAddr identify who submitted it.
	TokenID, TokenName, ClientAddr string
	Code                           string
	// KeepCode stores the code itself, not only its hash.
	KeepCode bool
}

// RecordStatement stores a submitted statement.
func (l *Ledger) RecordStatement(ctx context.Context, gatewayID string, sub SubmittedStatement) {
	sum := sha256.Sum256([]byte(sub.Code))
	st := &store.Statement{
		SessionID: sub.SessionID, StatementID: sub.StatementID,
		TokenID: sub.TokenID, TokenName: sub.TokenName, ClientAddr: sub.ClientAddr,
		CodeHash: hex.EncodeToString(sum[:]), Submitted: l.now().UTC(),
	}
	if sub.KeepCode {
		st.Code = sub.Code
	}
	l.write(ctx, gatewayID, strconv.FormatInt(sub.SessionID, 10), func(ctx context.Context) error {
		return l.store.SaveStatement(ctx, gatewayID, st)
	})
}

// ObserveStatements stores the outcome of the ended statements in a reply to a client. Each
// outcome is stored once.
func (l *Ledger) ObserveStatements(
	ctx context.Context, gatewayID string, sessionID int64, observed ...livy.Statement,
) {
	key := func(id int64) string {
		return gatewayID + " " + strconv.FormatInt(sessionID, 10) + " " + strconv.FormatInt(id, 10)
	}
	var ended []livy.Statement
	for _, s := range observed {
		if _, done := l.completed.Get(key(s.ID)); !done && outcome(&s) != "" {
			l.completed.Add(key(s.ID), struct{}{})
			ended = append(ended, s)
		}
	}
	if len(ended) == 0 {
		return
	}
	l.write(ctx, gatewayID, strconv.FormatInt(sessionID, 10), func(ctx context.Context) error {
		for i := range ended {
			if err := l.completeStatement(ctx, gatewayID, sessionID, &ended[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// completeStatement stores the outcome of a statement. Statements submitted while the
// statement audit was off have no record and get none.
func (l *Ledger) completeStatement(
	ctx context.Context, gatewayID string, sessionID int64, ended *livy.Statement,
) error {
	st, err := l.store.Statement(ctx, gatewayID, sessionID, ended.ID)
	switch {
	case err != nil && gateway.KindOf(err) == gateway.KindNotFound:
		return nil
	case err != nil || st.Status != "":
		return err
	}
	st.Status, st.DurationMs = outcome(ended), max(0, ended.Completed-ended.Started)
	return l.store.SaveStatement(ctx, gatewayID, st)
}

// outcome returns "ok", "error" or "cancelled", or "" while the statement is running.
func outcome(s *livy.Statement) string {
	switch s.State {
	case "cancelled":
		return "cancelled"
	case "available":
		var out struct {
			Status string `json:"status"`
		}
		if json.Unmarshal(s.Output, &out) != nil || out.Status == "" {
			return "ok"
		}
		return out.Status
	}
	return ""
}
