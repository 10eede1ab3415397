package core

import (
	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/tokens"
)

// logTransition logs that a gateway begins to start or stop, with who caused it and why. What
// comes of it is logged by its supervision.
func (c *Core) logTransition(g *gateway.Gateway) {
	var message string
	switch g.Status.State {
	case gateway.StateStarting:
		message = "gateway starting"
	case gateway.StateStopping:
		message = "gateway stopping"
	default:
		return
	}
	fields := []zap.Field{zap.String("gateway", g.ID), zap.String("name", g.Ref())}
	if n := len(g.History); n > 0 {
		fields = append(fields, zap.String("by", g.History[n-1].Actor),
			zap.String("cause", gateway.MaskSecrets(g.History[n-1].Cause)))
	}
	c.Log.Info(message, fields...)
}

// logStarted logs that a session or batch runs.
func (c *Core) logStarted(r *store.Record) {
	c.Log.Info(r.Kind+" runs", append(recordFields(c, r), zap.Duration("after", r.Started.Sub(r.Created)))...)
}

// logEnded logs that a session or batch has ended.
func (c *Core) logEnded(r *store.Record) {
	c.Log.Info(r.Kind+" ended", append(recordFields(c, r), zap.String("state", r.State),
		zap.String("reason", tokens.Mask(r.Reason)), zap.Duration("after", r.Ended.Sub(r.Created)))...)
}

// recordFields identify a record. Names are left out, since clients choose them.
func recordFields(c *Core, r *store.Record) []zap.Field {
	fields := []zap.Field{zap.String("gateway", r.GatewayID)}
	if g := c.Manager.Known(r.GatewayID); g != nil {
		fields = append(fields, zap.String("name", g.Ref()))
	}
	return append(fields, zap.String("record", r.ID), zap.Int64("id", r.PublicID), zap.String("token", r.TokenID))
}
