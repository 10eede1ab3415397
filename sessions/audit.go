package sessions

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"strconv"

	"github.com/livygateway/livygateway/gateway"
	"github.com/livygateway/livygateway/livy"
	"github.com/livygateway/livygateway/store"
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

// SawStatement completes what is on record of a statement that has ended, from a
// reply that passed by. What has been completed is not asked about again.
func (l *Ledger) SawStatement(ctx context.Context, gatewayID string, sessionID int64, seen *livy.Statement) {
	status := outcome(seen)
	key := gatewayID + " " + strconv.FormatInt(sessionID, 10) + " " + strconv.FormatInt(seen.ID, 10)
	if _, done := l.audited.get(key); done || status == "" {
		return
	}
	l.write(ctx, gatewayID, key, func(ctx context.Context) error {
		st, err := l.store.Statement(ctx, gatewayID, sessionID, seen.ID)
		if gateway.KindOf(err) == gateway.KindNotFound && err != nil {
			l.audited.put(key, struct{}{}) // it was run when nobody audited
			return nil
		}
		if err != nil {
			return err
		}
		if st.Status == "" {
			st.Status, st.DurationMs = status, max(0, seen.Completed-seen.Started)
			if err := l.store.SaveStatement(ctx, gatewayID, st); err != nil {
				return err
			}
		}
		l.audited.put(key, struct{}{})
		return nil
	})
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
