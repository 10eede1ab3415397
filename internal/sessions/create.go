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
	// Name is what Livy will call it; required, since the ledger knows it again
	// by that.
	Name string
	// Who asked.
	TokenID, TokenName, ClientAddr string
	// Resources and Policy are written down as they are.
	Resources, Policy any
	// SparkUI is the path of its Spark UI; empty where there is none.
	SparkUI string
	// MilliCPU and MemoryMB are what it takes while it runs.
	MilliCPU, MemoryMB int64
	// MaxLive is how many living ones of this kind the token may have, this one
	// included; 0 means any number.
	MaxLive int
	// Repeat is set when the client may send the same create again.
	Repeat *Repeat
}

// Create is a create request under way. Exactly one of its methods is to be
// called when Livy has answered; none when nobody knows whether it did.
type Create struct {
	l      *Ledger
	g      *gateway.Gateway
	record *store.Record
	repeat *Repeat
}

// NewID makes the id of a new record.
func (l *Ledger) NewID() (string, error) { return gateway.NewID("livy-", l.rand) }

// maxWanted bounds what is taken of an application's name, in bytes.
const maxWanted = 80

// NameFor is the name that a create without one is given: the record's id, after
// the application's name if the client chose one. wanted may be empty.
func NameFor(id, wanted string) string {
	if wanted == "" {
		return id
	}
	// A character cut in two would come back from Livy as another one.
	return strings.ToValidUTF8(wanted[:min(len(wanted), maxWanted)], "") + "-" + strings.TrimPrefix(id, "livy-")
}

// Begin writes a create down before it is sent. When it fails nothing is to be
// sent: with KindLimited the token has as many as it may, with KindConflict
// another create of that name is under way, with KindUnavailable Redis is away.
// A *RepeatedError carries the reply that the first create got.
func (l *Ledger) Begin(ctx context.Context, in Intent) (*Create, error) {
	if err := l.flush(ctx); err != nil { // what this one is judged by
		return nil, err
	}
	if l.isReplaced(in.Gateway) {
		return nil, gateway.Errorf(gateway.KindUnavailable, "the Livy server was restarted and its ids are being renumbered; retry shortly")
	}
	now := l.now().UTC()
	r := &store.Record{
		ID: in.ID, GatewayID: in.Gateway.ID, Kind: string(in.Kind), LivyID: -1, PublicID: -1,
		Epoch: in.Gateway.Status.Epoch, Name: in.Name, State: "starting",
		TokenID: in.TokenID, TokenName: in.TokenName, ClientAddr: in.ClientAddr,
		SparkUI: in.SparkUI, MilliCPU: in.MilliCPU, MemoryMB: in.MemoryMB, Created: now, Updated: now,
	}
	var err error
	if r.Resources, err = json.Marshal(in.Resources); err != nil {
		return nil, err
	}
	if r.Policy, err = json.Marshal(in.Policy); err != nil {
		return nil, err
	}
	c := &Create{l: l, g: in.Gateway, record: r, repeat: in.Repeat}
	if in.Repeat != nil {
		err = l.beginOnce(ctx, c, in.MaxLive)
	} else {
		err = l.store.BeginCreate(ctx, r, in.MaxLive, nil)
	}
	if err != nil {
		return nil, err
	}
	return c, nil
}

// Confirmed completes the record with Livy's reply. It fails with
// KindUnavailable when the id belongs to another server than the create was
// meant for; the client must not get it then, and Poll finds out what it is.
func (c *Create) Confirmed(ctx context.Context, g *gateway.Gateway, livyID int64, state, appID string, reply KeptReply) error {
	l, r := c.l, *c.record
	kind := livy.Kind(r.Kind)
	r.LivyID, r.PublicID = livyID, Base(g, kind)+livyID
	r.State, r.AppID, r.Updated = state, appID, l.now().UTC()
	k := publicKey{r.GatewayID, kind, r.PublicID}
	l.owners.Add(k, owner{record: r.ID, token: r.TokenID})
	l.states.Add(k, state)
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

// settledAs looks why a record could not be completed: because Poll was faster,
// or because its public id is that of another one.
func (l *Ledger) settledAs(ctx context.Context, r *store.Record) (taken, err error) {
	other, err := l.store.Record(ctx, r.GatewayID, r.Kind, r.PublicID)
	switch {
	case gateway.KindOf(err) == gateway.KindNotFound:
		return nil, l.change(ctx, r.GatewayID,
			func(ctx context.Context) (*store.Record, error) { return l.store.RecordByID(ctx, r.GatewayID, r.ID) },
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
	l.owners.Remove(publicKey{r.GatewayID, livy.Kind(r.Kind), r.PublicID})
	l.setReplaced(r.GatewayID, r.Epoch)
	return gateway.Errorf(gateway.KindUnavailable, "the Livy server was replaced while it answered; look for the %s named %q", r.Kind, r.Name), nil
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

// Failed closes the record: Livy failed with the create, and may or may not have
// started something. If that shows in its lists the record lives again.
func (c *Create) Failed(ctx context.Context, reason string) {
	l, r := c.l, c.record
	at := l.now().UTC()
	l.write(ctx, r.GatewayID, r.ID, func(ctx context.Context) error {
		err := l.change(ctx, r.GatewayID,
			func(ctx context.Context) (*store.Record, error) { return l.store.RecordByID(ctx, r.GatewayID, r.ID) },
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

// setReplaced notes that the server of an epoch is another one now: until the
// next epoch nothing is to be created in it.
func (l *Ledger) setReplaced(gatewayID string, epoch int64) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.replaced[gatewayID] = epoch
}

func (l *Ledger) isReplaced(g *gateway.Gateway) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	epoch, ok := l.replaced[g.ID]
	return ok && epoch >= g.Status.Epoch
}
