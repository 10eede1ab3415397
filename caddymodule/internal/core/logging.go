package core

import (
	"slices"

	"go.uber.org/zap/zapcore"
)

// liveCore sends log entries to the livy app's logger of the configuration in force. What
// survives a reload must not write to a log that the reload closed, nor bypass the logs that the
// configuration has for "livy".
type liveCore struct {
	fields []zapcore.Field
}

func (liveCore) Enabled(level zapcore.Level) bool { return logCore().Enabled(level) }

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
	if ce := logCore().Check(e, nil); ce != nil {
		ce.Write(append(slices.Clip(c.fields), fields...)...)
	}
	return nil
}

func (liveCore) Sync() error { return logCore().Sync() }

// Interface guard
var _ zapcore.Core = liveCore{}
