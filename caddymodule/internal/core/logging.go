package core

import (
	"slices"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap/zapcore"
)

// liveCore sends log entries to the logger of the configuration in force, so
// that what outlives a reload does not write to a log that was closed by it.
type liveCore struct {
	fields []zapcore.Field
}

func (liveCore) Enabled(level zapcore.Level) bool { return caddy.Log().Core().Enabled(level) }

func (c liveCore) With(fields []zapcore.Field) zapcore.Core {
	return liveCore{fields: append(slices.Clip(c.fields), fields...)}
}

func (c liveCore) Check(e zapcore.Entry, ce *zapcore.CheckedEntry) *zapcore.CheckedEntry {
	if c.Enabled(e.Level) {
		return ce.AddCore(e, c)
	}
	return ce
}

func (c liveCore) Write(e zapcore.Entry, fields []zapcore.Field) error {
	if ce := caddy.Log().Core().Check(e, nil); ce != nil {
		ce.Write(append(slices.Clip(c.fields), fields...)...)
	}
	return nil
}

func (liveCore) Sync() error { return caddy.Log().Core().Sync() }

// Interface guard
var _ zapcore.Core = liveCore{}
