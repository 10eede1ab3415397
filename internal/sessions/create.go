package sessions

import (
	"context"
	"encoding/json"
	"errors"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/store"
)

// Intent is a create request that is about to be sent to Livy.
type Intent struct {
	// ID is the record's id, made by NewID.
	ID      string
	Gateway *gateway.Gateway
	Kind    livy.Kind
	// Name is the name sent to Livy. It is required: the ledger finds the session or
	// batch in Livy's lists by it.
	Name string
	// The client.
	TokenID, TokenName, ClientAddr string
	// User is whose resources it uses.
	User string
	// Resources and Policy are stored as they are.
	Resources, Policy any
	// SparkUI is the path of its Spark UI; empty if there is none.
	SparkUI string
	// MilliCPU and MemoryMB are the resources it uses while it runs.
	MilliCPU, MemoryMB int64
	// MaxLive bounds the live sessions or batches of the token, including this one; 0
	// means no limit.
	MaxLive int
	// Limits are further limits; nil for none.
	Limits *store.Limits
	// Repeat is set if the client may repeat the create.
	Repeat *Repeat
}

// Create is a create request in progress. Call exactly one of its methods once Livy has
// answered, or none if it is unknown whether Livy received the request.
type Create struct {
	// Reached are the soft bounds that it reached.
	Reached []store.Reached

	l      *Ledger
	g      *gateway.Gateway
	record *store.Record
	repeat *Repeat
}

// NewID returns the id of a new record.
func (l *Ledger) NewID() (string, error) { return gateway.NewID("livy-", l.rand) }

// maxWanted bounds the part taken from an application's name, in bytes.
const maxWanted = 80

// NameFor returns the name given to a create without one: the record's id, preceded by the
// application's name if the client chose one. wanted may be empty.
func NameFor(id, wanted string) string {
	if wanted == "" {
		return id
	}
	// Livy would replace a character that is cut in the middle.
	return strings.ToValidUTF8(wanted[:min(len(wanted), maxWanted)], "") + "-" + strings.TrimPrefix(id, "livy-")
}

// Begin records a create before it is sent. If it fails, nothing must be sent. It fails with
// KindLimited if the token's limit is reached, with the errors of store.Limits, with KindConflict
// if another create of that name is in progress, with KindUnavailable if Redis is unreachable, and
// with a *RepeatedError that holds the reply to the first create if this one repeats it.
func (l *Ledger) Begin(ctx context.Context, in Intent) (*Create, error) {
	if err := l.flush(ctx); err != nil { // the limits depend on earlier changes
		return nil, err
	}
	if l.isReplaced(in.Gateway) {
		return nil, gateway.Errorf(gateway.KindUnavailable,
			"the Livy server was restarted and its ids are being renumbered; retry shortly")
	}
	r, err := l.newRecord(&in)
	if err != nil {
		return nil, err
	}
	c := &Create{l: l, g: in.Gateway, record: r, repeat: in.Repeat}
	if in.Repeat != nil {
		err = l.beginOnce(ctx, c, in.MaxLive, in.Limits)
	} else {
		c.Reached, err = l.store.BeginWithin(ctx, r, in.MaxLive, nil, in.Limits)
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// newRecord returns the record of a create that is about to be sent.
func (l *Ledger) newRecord(in *Intent) (*store.Record, error) {
	now := l.now().UTC()
	r := &store.Record{
		ID: in.ID, GatewayID: in.Gateway.ID, Kind: string(in.Kind), LivyID: -1, PublicID: -1,
		Epoch: in.Gateway.Status.Epoch, Name: in.Name, State: "starting",
		TokenID: in.TokenID, TokenName: in.TokenName, ClientAddr: in.ClientAddr,
		User: in.User, Workspace: in.Gateway.Workspace,
		SparkUI: in.SparkUI, MilliCPU: in.MilliCPU, MemoryMB: in.MemoryMB, Created: now, Updated: now,
	}
	var err error
	if r.Resources, err = json.Marshal(in.Resources); err != nil {
		return nil, err
	}
	if r.Policy, err = json.Marshal(in.Policy); err != nil {
		return nil, err
	}
	return r, nil
}

// Confirmed completes the record with Livy's reply. It fails with KindUnavailable if the id
// was issued by another server than the one the create was sent to; the client must not get
// that id, and Poll finds the session or batch by its name.
func (c *Create) Confirmed(
	ctx context.Context, g *gateway.Gateway, livyID int64, state, appID string, reply KeptReply,
) error {
	l, r := c.l, *c.record
	kind := livy.Kind(r.Kind)
	r.LivyID, r.PublicID = livyID, Base(g, kind)+livyID
	r.State, r.AppID, r.Updated = state, appID, l.now().UTC()
	k := publicKey{r.GatewayID, kind, r.PublicID}
	l.owners.Add(k, owner{record: r.ID, token: r.TokenID})
	l.states.Add(k, state)
	l.noteID(g, kind, r.PublicID)
	l.keepExtra(&r)
	l.names.forget(r.GatewayID)
	var taken error
	l.write(ctx, r.GatewayID, r.ID, func(ctx context.Context) error {
		err := l.store.SaveRecords(ctx, store.Fence{}, r.GatewayID, &r)
		if isChanged(err) {
			taken, err = l.settledAs(ctx, &r)
		}
		if err != nil || taken != nil {
			return err
		}
		return c.keepReply(ctx, reply)
	})
	return taken
}

// settledAs determines why a record could not be completed: because Poll was faster, or
// because its public id belongs to another record.
func (l *Ledger) settledAs(ctx context.Context, r *store.Record) (taken, err error) {
	other, err := l.store.Record(ctx, r.GatewayID, r.Kind, r.PublicID)
	switch {
	case gateway.KindOf(err) == gateway.KindNotFound:
		return nil, l.change(ctx, r.GatewayID,
			func(ctx context.Context) (*store.Record,
				error,
			) {
				return l.store.RecordByID(ctx, r.GatewayID, r.ID)
			},
			func(stored *store.Record) bool {
				if stored.Confirmed() {
					return false
				}
				stored.LivyID, stored.PublicID, stored.AppID, stored.Updated = r.LivyID, r.PublicID, r.AppID, r.Updated
				if !stored.Live() { // given up too early
					stored.State, stored.Reason, stored.Ended = r.State, "", time.Time{}
				}
				return true
			})
	case err != nil:
		return nil, err
	case other.ID == r.ID:
		return nil, nil
	}
	k := publicKey{r.GatewayID, livy.Kind(r.Kind), r.PublicID}
	l.owners.Remove(k)
	l.extras.Remove(k)
	l.setReplaced(r.GatewayID, r.Epoch)
	return gateway.Errorf(gateway.KindUnavailable,
		"the Livy server was replaced while it answered; look for the %s named %q", r.Kind, r.Name), nil
}

// Refused takes the create back: Livy started nothing. What Livy lists of it all the same
// is removed there; see removeLeft.
func (c *Create) Refused(ctx context.Context) {
	if err := c.removeLeft(ctx); err != nil {
		c.l.logger.Warn("could not remove from Livy what it lists of a create that it refused",
			zap.String("gateway", c.g.ID), zap.String("record", c.record.ID), zap.Error(err))
		c.Failed(ctx, "Livy refused it, and may list it all the same")
		return
	}
	c.NotSent(ctx)
}

// NotSent takes the create back: Livy did not receive it.
func (c *Create) NotSent(ctx context.Context) {
	c.l.write(ctx, c.record.GatewayID, c.record.ID, func(ctx context.Context) error {
		rep, err := c.repetition()
		if err != nil {
			return err
		}
		r, err := c.l.store.RecordByID(ctx, c.record.GatewayID, c.record.ID) // a poll may have found it in the list
		if err != nil {
			r = c.record
		}
		return c.l.store.CancelCreate(ctx, r, rep)
	})
}

// Failed closes the record: Livy answered with an error, and may or may not have started
// something. If it appears in Livy's lists later, the record becomes live again.
func (c *Create) Failed(ctx context.Context, reason string) {
	l, r := c.l, c.record
	at := l.now().UTC()
	l.write(ctx, r.GatewayID, r.ID, func(ctx context.Context) error {
		err := l.change(ctx, r.GatewayID,
			func(ctx context.Context) (*store.Record,
				error,
			) {
				return l.store.RecordByID(ctx, r.GatewayID, r.ID)
			},
			func(stored *store.Record) bool {
				if stored.Confirmed() || !stored.Live() {
					return false
				}
				l.end(stored, "error", reason, at)
				return true
			})
		if err != nil {
			return err
		}
		rep, err := c.repetition()
		if rep == nil || err != nil {
			return err
		}
		return l.store.ForgetRepetition(ctx, r, *rep)
	})
}

func isChanged(err error) bool { return errors.Is(err, store.ErrChanged) }

// setReplaced records that the server of an epoch was replaced: nothing may be created on it.
func (l *Ledger) setReplaced(gatewayID string, epoch int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.replaced[gatewayID] == nil {
		l.replaced[gatewayID] = make(map[int64]bool)
	}
	l.replaced[gatewayID][epoch] = true
}

func (l *Ledger) isReplaced(g *gateway.Gateway) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.replaced[g.ID][g.Status.Epoch]
}
