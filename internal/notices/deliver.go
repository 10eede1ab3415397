package notices

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/store"
)

// The headers of a delivery.
const (
	HeaderID        = "X-Livy-Gateway-Id"
	HeaderEvent     = "X-Livy-Gateway-Event"
	HeaderTimestamp = "X-Livy-Gateway-Timestamp"
	HeaderSignature = "X-Livy-Gateway-Signature"
)

// Times of deliveries. After maxAttempts, about a day, a notice is given up.
const (
	deliveryTime  = 10 * time.Second
	deliveryLease = 30 * time.Second
	firstPause    = 5 * time.Second
	longestPause  = time.Hour
	maxAttempts   = 32
	lookInterval  = 2 * time.Second // how often notices of other instances are looked for
)

// pauseAfter returns the pause after a failed attempt.
func pauseAfter(attempt int64) time.Duration {
	return min(longestPause, firstPause<<min(attempt-1, 20))
}

// Sign returns the signature of a delivery: HMAC-SHA256 of the timestamp, a dot and the body.
func Sign(secret, timestamp string, body []byte) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte(timestamp + "."))
	mac.Write(body)
	return "sha256=" + hex.EncodeToString(mac.Sum(nil))
}

// deliver delivers what is due to the webhooks in force, until ctx ends. Instances share the
// work: each notice is taken by one.
func (s *Service) deliver(ctx context.Context) {
	tick := time.NewTicker(lookInterval)
	defer tick.Stop()
	for {
		hooks := *s.hooks.Load()
		for i := range hooks {
			s.deliverTo(ctx, &hooks[i])
		}
		select {
		case <-ctx.Done():
			return
		case <-s.wake:
		case <-tick.C:
		}
	}
}

// deliverTo delivers what is due to one webhook. It stops at the first failure, so that one that
// hangs does not hold the others up for long.
func (s *Service) deliverTo(ctx context.Context, w *Webhook) {
	for ctx.Err() == nil {
		d, err := s.Store.ClaimNotice(ctx, w.URL, s.Now(), deliveryLease)
		if err != nil || d == nil {
			return // Redis is away, or nothing is due
		}
		failure := s.send(ctx, w, d)
		if ctx.Err() != nil {
			return // the lease ends, and another instance goes on
		}
		var again time.Time
		switch {
		case failure == nil:
			s.counts.Delivered.Add(1)
		case d.Attempt >= maxAttempts:
			s.counts.Dropped.Add(1)
			s.Logger.Error("a webhook did not take a notice, which is given up", zap.String("webhook", w.Name()),
				zap.String("notice", d.ID), zap.Int64("attempts", d.Attempt), zap.Error(failure))
		default:
			s.counts.Failed.Add(1)
			again = s.Now().Add(pauseAfter(d.Attempt))
			s.Logger.Warn("a webhook did not take a notice; it will be sent again", zap.String("webhook", w.Name()),
				zap.String("notice", d.ID), zap.Int64("attempt", d.Attempt), zap.Time("again", again), zap.Error(failure))
		}
		if err := s.Store.SettleNotice(ctx, d, again); err != nil || failure != nil {
			return
		}
	}
}

// send sends a notice. Errors have no part of the URL but its host.
func (s *Service) send(ctx context.Context, w *Webhook, d *store.Delivery) error {
	ctx, cancel := context.WithTimeout(ctx, deliveryTime)
	defer cancel()
	body := []byte(d.Doc)
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, w.URL, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("the URL cannot be used")
	}
	timestamp := strconv.FormatInt(s.Now().Unix(), 10)
	r.Header.Set("Content-Type", "application/json")
	r.Header.Set("User-Agent", "livy-gateway")
	r.Header.Set(HeaderID, d.ID)
	r.Header.Set(HeaderEvent, eventOf(body))
	r.Header.Set(HeaderTimestamp, timestamp)
	r.Header.Set(HeaderSignature, Sign(w.Secret, timestamp, body))
	reply, err := s.HTTP.Do(r)
	if err != nil {
		return withoutURL(err)
	}
	defer reply.Body.Close()
	_, _ = io.CopyN(io.Discard, reply.Body, 64<<10)
	if reply.StatusCode < 200 || reply.StatusCode > 299 {
		return fmt.Errorf("it answered %d", reply.StatusCode)
	}
	return nil
}

// eventOf reads the name of an encoded notice.
func eventOf(doc []byte) string {
	var n Notice
	_ = json.Unmarshal(doc, &n) // made by add
	return n.Event
}

// withoutURL removes the URL from an error of the HTTP client.
func withoutURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}
