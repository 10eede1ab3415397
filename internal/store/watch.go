package store

import (
	"context"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"go.uber.org/zap"
)

// Topics of events. Others belong to those who publish them.
const (
	// TopicResync means that events may have been lost: whatever was cached from
	// the store is to be read anew. It has no ID.
	TopicResync = "resync"
	// TopicToken means that the token ID was changed or revoked.
	TopicToken = "token"
	// TopicTokens means that a token of the gateway ID was created, changed or revoked.
	TopicTokens = "tokens"
	// TopicRecords means that a record of the gateway ID was written or removed.
	TopicRecords = "records"
)

// Event is one change that an instance made and others may want to know of.
type Event struct {
	Topic string
	ID    string
}

// How a connection that died without a word is noticed: a ping goes out every
// pingInterval, and silence for silenceLimit ends the connection.
const (
	pingInterval = 300 * time.Millisecond
	silenceLimit = 800 * time.Millisecond
)

// channel is where all changes are published.
func (s *Store) channel() string { return s.prefix + "changes" }

// message is what scripts publish; see parseEvent.
func message(topic, id string) string { return topic + " " + id }

func parseEvent(payload string) Event {
	topic, id, _ := strings.Cut(payload, " ")
	return Event{Topic: topic, ID: id}
}

// Publish tells all watchers of a change. Changes made by scripts publish
// themselves.
func (s *Store) Publish(ctx context.Context, topic, id string) error {
	return wrap("publishing a change", s.rdb.Publish(ctx, s.channel(), message(topic, id)).Err())
}

// Watch calls handler for every change until ctx ends, one call at a time and
// in order. handler must be quick. It gets TopicResync first, after each lost
// connection, and whenever else events may have been missed. A connection that
// died without a word is noticed within a second.
func (s *Store) Watch(ctx context.Context, handler func(Event)) {
	const shortest, longest = 50 * time.Millisecond, 500 * time.Millisecond
	pause := shortest
	for ctx.Err() == nil {
		subscribed, err := s.watchOnce(ctx, handler)
		if ctx.Err() != nil {
			return
		}
		if subscribed {
			pause = shortest
			s.log.Warn("lost the connection that tells of changes", zap.Error(err))
		} else {
			s.log.Debug("cannot subscribe to changes", zap.Error(err))
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
		// After a timeout the connection is given up rather than read again: part
		// of a message may have been consumed.
		got, err := sub.ReceiveTimeout(ctx, silenceLimit)
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

// ping keeps a subscription talking, so that silence means a dead connection.
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
