package store

import (
	"context"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
)

// Topics of events. Other topics are defined next to the code that publishes them.
const (
	// TopicResync means that events may have been lost: discard everything cached from
	// the store. It has no ID.
	TopicResync = "resync"
	// TopicToken means that the token ID was changed or revoked.
	TopicToken = "token"
	// TopicTokens means that a token of the gateway ID was created, changed or revoked.
	TopicTokens = "tokens"
	// TopicRecords means that a record of the gateway ID was written or removed.
	TopicRecords = "records"
)

// Event is a change made by one instance and published to the others.
type Event struct {
	Topic string
	ID    string
}

// How a connection that died without a word is noticed: a ping goes out every
// pingInterval, and silence for silenceLimit ends the connection, or for longer where
// Options.Timeout means that Redis is far away.
const (
	pingInterval = 300 * time.Millisecond
	silenceLimit = 800 * time.Millisecond
)

func (s *Store) silence() time.Duration {
	return silenceLimit + max(0, 2*(s.options.Timeout-DefaultTimeout))
}

// channel is where all changes are published.
func (s *Store) channel() string { return s.prefix + "changes" }

// message encodes the event that scripts publish; see parseEvent.
func message(topic, id string) string { return topic + " " + id }

func parseEvent(payload string) Event {
	topic, id, _ := strings.Cut(payload, " ")
	return Event{Topic: topic, ID: id}
}

// Publish publishes a change to all watchers. Scripts publish their own changes.
func (s *Store) Publish(ctx context.Context, topic, id string) error {
	return wrap("publishing a change", s.rdb.Publish(ctx, s.channel(), message(topic, id)).Err())
}

// Watch calls handler for every change until ctx ends, one call at a time and in order.
// handler must be quick. It gets TopicResync first, after each lost connection, and whenever
// events may have been missed. A dead connection is detected within a second.
func (s *Store) Watch(ctx context.Context, handler func(Event)) {
	const shortest, longest = 50 * time.Millisecond, 500 * time.Millisecond
	pause, denied := shortest, false
	for ctx.Err() == nil {
		subscribed, err := s.watchOnce(ctx, handler)
		if ctx.Err() != nil {
			return
		}
		if subscribed {
			pause, denied = shortest, false
			s.log.Warn("lost the subscription to changes; reconnecting", zap.Error(err))
		} else {
			s.log.Debug("cannot subscribe to changes", zap.Error(err))
			if isDenied(err) && !denied {
				denied = true // said once
				s.log.Error("cannot subscribe to changes: the Redis user may not", zap.Error(err))
			}
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
		pause = min(2*pause, longest)
	}
}

// watchOnce watches over one connection until it fails.
func (s *Store) watchOnce(ctx context.Context, handler func(Event)) (subscribed bool, err error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	sub := s.rdb.Subscribe(ctx, s.channel())
	defer sub.Close()
	// Closing is what ends a read that waits.
	defer context.AfterFunc(ctx, func() { _ = sub.Close() })()
	go ping(ctx, sub)
	for {
		// After a timeout part of a message may have been consumed, so the connection
		// cannot be used any more.
		got, err := sub.ReceiveTimeout(ctx, s.silence())
		if err != nil {
			return subscribed, wrap("watching for changes", err)
		}
		switch m := got.(type) {
		case *redis.Subscription:
			subscribed = true
			handler(Event{Topic: TopicResync})
		case *redis.Message:
			handler(parseEvent(m.Payload))
		}
	}
}

// ping sends regular pings on a subscription, so that silence means a dead connection.
func ping(ctx context.Context, sub *redis.PubSub) {
	tick := time.NewTicker(pingInterval)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			_ = sub.Ping(ctx) // a failure shows in the read
		}
	}
}
