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

// Ran is a statement that Livy took.
type Ran struct {
	SessionID, StatementID         int64 // public, and Livy's own
	TokenID, TokenName, ClientAddr string
	Code                           string
	// KeepCode writes the code down too, not only its hash.
	KeepCode bool
}

// Ran writes down who ran what.
func (l *Ledger) Ran(ctx context.Context, gatewayID string, ran Ran) {
	sum := sha256.Sum256([]byte(ran.Code))
	st := &store.Statement{
		SessionID: ran.SessionID, StatementID: ran.StatementID,
		TokenID: ran.TokenID, TokenName: ran.TokenName, ClientAddr: ran.ClientAddr,
		CodeHash: hex.EncodeToString(sum[:]), Submitted: l.now().UTC(),
	}
	if ran.KeepCode {
		st.Code = ran.Code
	}
	l.write(ctx, gatewayID, strconv.FormatInt(ran.SessionID, 10), func(ctx context.Context) error {
		return l.store.SaveStatement(ctx, gatewayID, st)
	})
}

// SawStatements completes what is on record of those statements of a session that
// have ended, from a reply that passed by. None is asked about twice.
func (l *Ledger) SawStatements(ctx context.Context, gatewayID string, sessionID int64, seen ...livy.Statement) {
	key := func(id int64) string {
		return gatewayID + " " + strconv.FormatInt(sessionID, 10) + " " + strconv.FormatInt(id, 10)
	}
	var ended []livy.Statement
	for _, s := range seen {
		if _, done := l.audited.get(key(s.ID)); !done && outcome(&s) != "" {
			l.audited.put(key(s.ID), struct{}{})
			ended = append(ended, s)
		}
	}
	if len(ended) == 0 {
		return
	}
	l.write(ctx, gatewayID, strconv.FormatInt(sessionID, 10), func(ctx context.Context) error {
		for i := range ended {
			if err := l.complete(ctx, gatewayID, sessionID, &ended[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// complete writes down how a statement ended, unless it was run when nobody
// audited.
func (l *Ledger) complete(ctx context.Context, gatewayID string, sessionID int64, seen *livy.Statement) error {
	st, err := l.store.Statement(ctx, gatewayID, sessionID, seen.ID)
	switch {
	case err != nil && gateway.KindOf(err) == gateway.KindNotFound:
		return nil
	case err != nil || st.Status != "":
		return err
	}
	st.Status, st.DurationMs = outcome(seen), max(0, seen.Completed-seen.Started)
	return l.store.SaveStatement(ctx, gatewayID, st)
}

// outcome is how a statement ended, "" while it has not.
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
