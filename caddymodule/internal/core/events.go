package core

import (
	"context"
	"maps"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/control"
	"github.com/livygateway/livygateway/internal/gateway"
)

// eventOf maps states to the names of the Caddy events that are emitted when they begin.
var eventOf = map[gateway.State]string{
	gateway.StateRunning: "livy_gateway_started",
	gateway.StateStopped: "livy_gateway_stopped",
	gateway.StateError:   "livy_gateway_failed",
}

// maxEvents is the largest number of queued events.
const maxEvents = 256

type event struct {
	name string
	data map[string]any
}

// noteTransition queues the event of a gateway that entered another state. Subscribers may be
// slow, and supervision must not wait for them.
func (c *Core) noteTransition(g *gateway.Gateway) {
	countTransition(g)
	c.logTransition(g)
	c.noticeFailure(g)
	name := eventOf[g.Status.State]
	if name == "" {
		return
	}
	c.queueGatewayEvent(name, g, g.Status.Reason, nil)
}

// noteServerFailure counts the failure of one of several servers, and queues its event.
func (c *Core) noteServerFailure(g *gateway.Gateway, v gateway.Server) {
	failuresTotal.WithLabelValues(gatewayLabel(g.Ref()), control.KindOfFailure(v.LastFailure.Reason)).Inc()
	c.queueGatewayEvent("livy_server_failed", g, v.LastFailure.Reason, map[string]any{
		"server": v.Number, "serving": g.ServingServers(), "servers": g.WantedServers(),
	})
}

func (c *Core) queueGatewayEvent(name string, g *gateway.Gateway, reason string, more map[string]any) {
	e := event{name, map[string]any{
		"workspace": g.Workspace, "gateway": g.Spec.Name, "id": g.ID,
		"state": string(g.Status.State), "reason": gateway.MaskSecrets(reason),
	}}
	maps.Copy(e.data, more)
	c.queueEvent(e)
}

// queueEvent queues an event.
func (c *Core) queueEvent(e event) {
	select {
	case c.events <- e:
	default:
		c.Log.Warn("an event was dropped: subscribers are too slow", zap.String("event", e.name), zap.Any("id", e.data["id"]))
	}
}

// emitEvents emits queued events, in order, through the configuration in force, until ctx ends.
func (c *Core) emitEvents(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case e := <-c.events:
			if now := inForce.Load(); now != nil && now.Emit != nil {
				now.Emit(e.name, e.data)
			}
		}
	}
}
