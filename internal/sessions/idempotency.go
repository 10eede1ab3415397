package sessions

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net/http"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
)

// RepeatLife is how long a repeated create is recognized.
const RepeatLife = 24 * time.Hour

// repeatTimeout bounds how long a repetition waits for the reply to the first create,
// and repeatPause is the pause between two checks.
const (
	repeatTimeout = 30 * time.Second
	repeatPause   = 100 * time.Millisecond
)

// Repeat holds the idempotency key of a create that may repeat an earlier one.
type Repeat struct {
	// Key is the client's key, unique among the creates of its token.
	Key string
	// Body is a digest of the request's body: using the same key with another body is
	// an error.
	Body string
}

// key returns the client's key in a form that is safe in a store key.
func (r *Repeat) key() string {
	sum := sha256.Sum256([]byte(r.Key))
	return hex.EncodeToString(sum[:16])
}

// KeptReply is the reply to a create, kept for repetitions of it.
type KeptReply struct {
	Status int         `json:"status"`
	Header http.Header `json:"header,omitempty"`
	Body   []byte      `json:"body"`
}

// RepeatedError is returned by Begin for the repetition of a create that succeeded.
type RepeatedError struct{ Reply KeptReply }

// Error implements error.
func (*RepeatedError) Error() string { return "this create was sent before" }

// kept is the value stored for repetitions; Reply is nil while the first create is in
// progress.
type kept struct {
	Record string     `json:"record"`
	Body   string     `json:"body"`
	Reply  *KeptReply `json:"reply,omitempty"`
}

// beginOnce begins a create unless it is a repetition; then it waits for the reply to the
// first create and returns that.
func (l *Ledger) beginOnce(ctx context.Context, c *Create, maxLive int, within *store.Limits) error {
	rep, err := c.repetition()
	if err != nil {
		return err
	}
	end := l.now().Add(repeatTimeout)
	for {
		c.record.Created = l.now().UTC() // after what it may repeat has ended
		c.record.Updated = c.record.Created
		c.Reached, err = l.store.BeginWithin(ctx, c.record, maxLive, rep, within)
		var repeated *store.RepeatedError
		if !errors.As(err, &repeated) {
			return err
		}
		if err := l.answerToRepetition(ctx, c, repeated.Value); err != nil {
			return err
		}
		if !l.now().Before(end) {
			return gateway.Errorf(gateway.KindUnavailable,
				"the first request with this Idempotency-Key is still in progress; retry shortly")
		}
		select {
		case <-ctx.Done():
			return gateway.Wrap(gateway.KindUnavailable, "waiting for the first create with this Idempotency-Key",
				ctx.Err())
		case <-time.After(repeatPause):
		}
	}
}

// Repeated checks, before anything is recorded, whether a create repeats one whose reply is
// known. It returns a *RepeatedError with that reply, an error of KindConflict if the key
// was used with another body, and nil if the create is the first or the first has no reply
// yet.
func (l *Ledger) Repeated(ctx context.Context, in *Intent) error {
	if in.Repeat == nil {
		return nil
	}
	c := &Create{
		l: l, repeat: in.Repeat,
		record: &store.Record{GatewayID: in.Gateway.ID, TokenID: in.TokenID, Kind: string(in.Kind)},
	}
	value, err := l.store.Repeated(ctx, c.record, in.Repeat.key())
	if err != nil || value == "" {
		return err
	}
	return l.answerToRepetition(ctx, c, value)
}

// answerToRepetition returns the error for a repetition of a create whose stored value is
// given, or nil if there is no reply yet.
func (l *Ledger) answerToRepetition(ctx context.Context, c *Create, value string) error {
	var first kept
	if err := json.Unmarshal([]byte(value), &first); err != nil {
		return err
	}
	if first.Body != c.repeat.Body {
		return gateway.Errorf(gateway.KindConflict, "Idempotency-Key %.40q was used with another body before",
			c.repeat.Key)
	}
	if first.Reply != nil {
		return &RepeatedError{Reply: *first.Reply}
	}
	return l.repeatedLost(ctx, c, first, value)
}

// repeatedLost handles a first create without a stored reply: if Poll has found it, its
// record gives the reply; if it started nothing, the key is free again. value is the stored
// value.
func (l *Ledger) repeatedLost(ctx context.Context, c *Create, first kept, value string) error {
	r, err := l.store.RecordByID(ctx, c.record.GatewayID, first.Record)
	switch {
	case gateway.KindOf(err) == gateway.KindNotFound:
		return nil // just refused, which frees the key
	case err != nil:
		return err
	case r.Confirmed():
		if l.now().Sub(r.Created) <= settleAfter {
			return nil // Livy's own reply may still come
		}
		reply, err := replyOf(r)
		if err != nil {
			return err
		}
		return &RepeatedError{Reply: reply}
	case !r.Live():
		return l.store.ForgetRepetition(ctx, c.record, store.Repetition{Key: c.repeat.key(), Value: value})
	}
	return nil
}

// replyOf returns the reply to a create whose own reply was lost.
func replyOf(r *store.Record) (KeptReply, error) {
	body, err := objectOf(r, []string{})
	return KeptReply{Status: http.StatusCreated, Header: http.Header{"Content-Type": {"application/json"}}, Body: body}, err
}

// objectOf is a session or batch as Livy shows it, as far as it is on record.
func objectOf(r *store.Record, log []string) ([]byte, error) {
	return json.Marshal(map[string]any{
		"id": r.PublicID, "name": r.Name, "owner": nil, "proxyUser": nil, "state": Shown(r.State),
		"appId": orNull(r.AppID), "appInfo": map[string]any{"driverLogUrl": nil, "sparkUiUrl": nil}, "log": log,
	})
}

func orNull(s string) any {
	if s == "" {
		return nil
	}
	return s
}

// repetition returns what to store for repetitions while this create is in progress; nil if
// the client sent no key.
func (c *Create) repetition() (*store.Repetition, error) {
	if c.repeat == nil {
		return nil, nil
	}
	value, err := json.Marshal(kept{Record: c.record.ID, Body: c.repeat.Body})
	return &store.Repetition{Key: c.repeat.key(), Value: string(value), Life: RepeatLife}, err
}

// keepReply keeps the reply for repetitions.
func (c *Create) keepReply(ctx context.Context, reply KeptReply) error {
	rep, err := c.repetition()
	if rep == nil || err != nil {
		return err
	}
	value, err := json.Marshal(kept{Record: c.record.ID, Body: c.repeat.Body, Reply: &reply})
	if err != nil {
		return err
	}
	return c.l.store.KeepReply(ctx, c.record, *rep, string(value))
}
