package store

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"

	"github.com/redis/go-redis/v9"

	"github.com/livygateway/livygateway/internal/gateway"
)

// unavailableReplies are the prefixes of Redis's error replies that mean that Redis cannot
// serve the command now, rather than that the command was wrong.
var unavailableReplies = []string{
	"LOADING", "READONLY", "NOAUTH", "WRONGPASS", "NOPERM", "OOM", "CLUSTERDOWN",
	"MASTERDOWN", "MISCONF", "TRYAGAIN", "NOREPLICAS", "BUSY", "UNBLOCKED",
	"MOVED", "ASK", emptiedReply, "ERR max number of clients reached", "ERR AUTH",
}

// wrap gives an error of the Redis client the kind that callers act on: KindNotFound for a
// missing key, KindUnavailable if Redis is unreachable, loading, full, read-only or refuses
// the login, and KindInternal otherwise. The client's error texts contain addresses and
// replies but never passwords.
func wrap(doing string, err error) error {
	switch {
	case err == nil:
		return nil
	case redis.HasErrorPrefix(err, emptiedReply):
		return ErrEmptied
	case errors.Is(err, redis.Nil):
		return gateway.Wrap(gateway.KindNotFound, doing, errors.New("not found"))
	case isUnavailable(err):
		return gateway.Wrap(gateway.KindUnavailable, doing, err)
	}
	if _, ok := errors.AsType[*gateway.Error](err); ok {
		return err
	}
	return gateway.Wrap(gateway.KindInternal, doing, err)
}

// isUnavailable reports whether err means that Redis cannot be used at present.
func isUnavailable(err error) bool {
	var network net.Error
	if errors.As(err, &network) ||
		errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) ||
		errors.Is(err, net.ErrClosed) ||
		errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled) ||
		errors.Is(err, redis.ErrClosed) ||
		errors.Is(err, redis.ErrPoolTimeout) || errors.Is(err, redis.ErrPoolExhausted) {
		return true
	}
	var reply redis.Error
	if !errors.As(err, &reply) {
		// Untyped errors of the client: no Sentinel answers, no node of the cluster is
		// known, a connection broke inside a reply.
		text := err.Error()
		return strings.Contains(text, "sentinel") || strings.Contains(text, "cluster has no nodes") ||
			strings.Contains(text, "connection")
	}
	for _, word := range unavailableReplies {
		if strings.HasPrefix(reply.Error(), word) {
			return true
		}
	}
	return isDenied(err)
}
