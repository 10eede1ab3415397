package sessions

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/store"
)

// Remover is the part of Livy's client that takes away what a refused create left.
type Remover interface {
	Lister
	Delete(ctx context.Context, kind livy.Kind, id int64) error
}

// SetLivy tells the ledger how to reach the Livy server of a gateway.
func (l *Ledger) SetLivy(client func(*gateway.Gateway) Remover) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.livy = client
}

// removeTime bounds how long a client waits for the refusal of its create.
const removeTime = 5 * time.Second

// removeLeft removes from Livy what it lists of a create that it refused. Livy registers
// a session before it looks at all of its settings: one with a blacklisted key, say, is
// answered 400 and is "starting" for ever, and nobody else can have its name. What has
// that name and is on record is another one's: the refusal was for the name.
func (c *Create) removeLeft(ctx context.Context) error {
	c.l.mu.Lock()
	client := c.l.livy
	c.l.mu.Unlock()
	if client == nil || c.g.Status.Address == "" {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), removeTime)
	defer cancel()
	server := client(c.g)
	listed, err := list(ctx, server)
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return nil // nothing answers there, so the create was not sent either
	}
	if err != nil {
		return err
	}
	for i := range listed {
		s := &listed[i]
		if string(s.kind) != c.record.Kind || s.name != c.record.Name || livy.Finished(s.state) {
			continue
		}
		ids, err := c.l.store.RecordIDs(ctx, c.g.ID, []store.PublicRef{{Kind: c.record.Kind, PublicID: Base(c.g, s.kind) + s.id}})
		if err != nil {
			return err
		}
		if ids[0] != "" && ids[0] != c.record.ID {
			continue
		}
		if err := server.Delete(ctx, s.kind, s.id); err != nil {
			return err
		}
	}
	return nil
}
