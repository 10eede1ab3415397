package store

import (
	"context"
	"errors"
	"net"
	"time"

	"github.com/redis/go-redis/v9"
)

// Observer is told what happens, for metrics. Its functions must not block; each may be nil.
type Observer struct {
	// Command is told how long Redis took to answer a command or a pipeline, and the error if
	// Redis could not be used. Refusals by a script are answers.
	Command func(took time.Duration, err error)
	// Started and Ended are told of a record once it is stored that its session or batch runs,
	// or has ended. The instance that stored it is told, once.
	Started, Ended func(r *Record)
}

// marks are what an Observer was told of a record.
type marks struct{ started, ended bool }

func (r *Record) marks() marks { return marks{!r.Started.IsZero(), !r.Live()} }

// noteSaved tells the observer what is new in a stored record.
func (s *Store) noteSaved(r *Record) {
	now, o := r.marks(), &s.options.Observer
	if now.started && !r.told.started && o.Started != nil {
		o.Started(r)
	}
	if now.ended && !r.told.ended && o.Ended != nil {
		o.Ended(r)
	}
	r.told = now
}

// observeCommands is a hook of the Redis client for Observer.Command.
type observeCommands func(took time.Duration, err error)

func (observeCommands) DialHook(next redis.DialHook) redis.DialHook {
	return func(ctx context.Context, network, addr string) (net.Conn, error) { return next(ctx, network, addr) }
}

func (o observeCommands) ProcessHook(next redis.ProcessHook) redis.ProcessHook {
	return func(ctx context.Context, cmd redis.Cmder) error {
		began := time.Now()
		err := next(ctx, cmd)
		o.note(began, err)
		return err
	}
}

func (o observeCommands) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, cmds []redis.Cmder) error {
		began := time.Now()
		err := next(ctx, cmds)
		o.note(began, err)
		return err
	}
}

// note leaves out calls that the caller gave up.
func (o observeCommands) note(began time.Time, err error) {
	if errors.Is(err, context.Canceled) {
		return
	}
	if err != nil && !isUnavailable(err) {
		err = nil
	}
	o(time.Since(began), err)
}

// AuditLength returns the number of entries in the audit log.
func (s *Store) AuditLength(ctx context.Context) (int64, error) {
	n, err := s.rdb.XLen(ctx, s.auditKey()).Result()
	return n, wrap("reading the length of the audit log", err)
}

// Interface guard
var _ redis.Hook = observeCommands(nil)
