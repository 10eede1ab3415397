package sessions

import (
	"context"
	"encoding/json"
	"strings"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/policies"
)

// Extra is what replies show of a session or batch besides what Livy knows of it. It does not
// change after the create.
type Extra struct {
	// RecordID is the id of the record.
	RecordID string
	// Lines are the first lines of the log: what the policy changed.
	Lines []string
	// SparkUI reports whether the gateway serves the Spark UI.
	SparkUI bool
	// Shown is what replies show in place of what Livy knows; nil if there is nothing.
	Shown *store.ShownWarm
}

// extraOf returns what replies show of a record.
func extraOf(r *store.Record) *Extra {
	return &Extra{RecordID: r.ID, Lines: linesOf(r), SparkUI: strings.HasPrefix(r.SparkUI, "/"), Shown: r.Shown}
}

// linesOf returns the lines about what the policy changed. A record without a report, or with
// one of another form, has none.
func linesOf(r *store.Record) []string {
	var report policies.Report
	if len(r.Policy) == 0 || json.Unmarshal(r.Policy, &report) != nil {
		return nil
	}
	return report.Lines()
}

// extrasPause is the pause after Redis could not be asked: until then, replies to polls show
// only what Livy knows, since polls must not wait for Redis.
const extrasPause = 2 * time.Second

// Extras returns what replies show of sessions or batches, by public id, as far as it is known.
// Each record is read once; what this process created is never read.
func (l *Ledger) Extras(ctx context.Context, gatewayID string, kind livy.Kind, publicIDs ...int64) map[int64]*Extra {
	shown := make(map[int64]*Extra, len(publicIDs))
	var ask []store.PublicRef
	for _, id := range publicIDs {
		if s, ok := l.extras.Get(publicKey{gatewayID, kind, id}); ok {
			shown[id] = s
		} else {
			ask = append(ask, store.PublicRef{Kind: string(kind), PublicID: id})
		}
	}
	if len(ask) == 0 || l.now().UnixNano() < l.extrasAgain.Load() {
		return shown
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), quick)
	defer cancel()
	records, err := l.store.RecordsByPublicID(ctx, gatewayID, ask)
	if err != nil {
		if gateway.KindOf(err) == gateway.KindUnavailable {
			l.extrasAgain.Store(l.now().Add(extrasPause).UnixNano())
		}
		return shown
	}
	for _, r := range records {
		shown[r.PublicID] = l.keepExtra(r)
	}
	return shown
}

// Extra is Extras for one session or batch; nil if nothing is known. It does no I/O if it was
// called before.
func (l *Ledger) Extra(ctx context.Context, gatewayID string, kind livy.Kind, publicID int64) *Extra {
	if s, ok := l.extras.Get(publicKey{gatewayID, kind, publicID}); ok {
		return s
	}
	return l.Extras(ctx, gatewayID, kind, publicID)[publicID]
}

// KnownRecord returns the id of the record of a session or batch, or "" if it is not known
// without I/O.
func (l *Ledger) KnownRecord(gatewayID string, kind livy.Kind, publicID int64) string {
	e, _ := l.extras.Peek(publicKey{gatewayID, kind, publicID})
	if e == nil {
		return ""
	}
	return e.RecordID
}

func (l *Ledger) keepExtra(r *store.Record) *Extra {
	s := extraOf(r)
	l.extras.Add(publicKey{r.GatewayID, livy.Kind(r.Kind), r.PublicID}, s)
	return s
}
