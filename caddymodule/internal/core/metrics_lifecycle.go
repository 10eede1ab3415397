package core

import (
	"github.com/livygateway/livygateway/internal/control"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/tokens"
)

var (
	startsTotal = counter("starts_total",
		"Starts of gateways, by reason: `order` (of a person, the configuration or an instance that begins), "+
			"`request` (a request woke the gateway), `restart` (its Livy server had failed). Each is counted by one "+
			"instance.",
		labelGateway, "reason")
	startSeconds = histogram("start_seconds",
		"The time from the start of a gateway until its Livy server answers.",
		[]float64{1, 2.5, 5, 7.5, 10, 15, 20, 30, 45, 60, 120, 300}, labelGateway)
	failuresTotal = counter("failures_total",
		"Failures of Livy servers, by reason: `ended` (by itself, or killed), `unresponsive` (it stopped answering), "+
			"`slow` (it did not answer in time after its start), `start` (it could not be started).",
		labelGateway, "reason")
)

// countTransition counts a gateway that entered another state.
func countTransition(g *gateway.Gateway) {
	label := gatewayLabel(g.Ref())
	switch g.Status.State {
	case gateway.StateStarting:
		startsTotal.WithLabelValues(label, control.StartKind(g)).Inc()
	case gateway.StateRunning:
		// The last transition is the present one.
		for i := len(g.History) - 2; i >= 0; i-- {
			if g.History[i].To == gateway.StateStarting {
				took := g.History[len(g.History)-1].Time.Sub(g.History[i].Time)
				startSeconds.WithLabelValues(label).Observe(max(0, took.Seconds()))
				return
			}
		}
	case gateway.StateError:
		failuresTotal.WithLabelValues(label, control.FailureKind(g)).Inc()
	default: // states that nothing is counted of
	}
}

// beginAtZero exports counts that alerts are about before they rise for the first time, which
// Prometheus could not notice otherwise.
func beginAtZero(label string) {
	for _, kind := range control.FailureKinds {
		failuresTotal.WithLabelValues(label, kind)
	}
	refusalsTotal.WithLabelValues(label, string(tokens.ReasonFailures))
}
