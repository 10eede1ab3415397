package control

import (
	"strings"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/sessions"
)

// Beginnings of the reasons of failures, by which FailureKind tells them apart.
const (
	reasonEnded  = "the Livy server ended: "
	reasonSlow   = "the Livy server did not answer within "
	reasonSilent = "the Livy server has not answered since "
)

// FailureKinds are the kinds of failures: its server ended by itself, did not answer in time after
// its start, stopped answering, or could not be started.
var FailureKinds = []string{"ended", "slow", "unresponsive", "start"}

// reportFailure reports that the server with an epoch, one of several, failed.
func (m *Manager) reportFailure(g *gateway.Gateway, epoch int64) {
	if v := g.Status.Server(epoch); v != nil && v.LastFailure != nil && m.OnServerFailure != nil {
		m.OnServerFailure(g, *v)
	}
}

// FailureKind returns the kind of a gateway's last failure, "" if there is none.
func FailureKind(g *gateway.Gateway) string {
	if g.Status.LastFailure == nil {
		return ""
	}
	return KindOfFailure(g.Status.LastFailure.Reason)
}

// KindOfFailure returns the kind of a failure with a reason.
func KindOfFailure(reason string) string {
	switch {
	case strings.HasPrefix(reason, reasonEnded):
		return "ended"
	case strings.HasPrefix(reason, reasonSlow):
		return "slow"
	case strings.HasPrefix(reason, reasonSilent):
		return "unresponsive"
	}
	return "start"
}

// wakeCause is the cause of a start that a request caused.
const wakeCause = "woken by a request"

// StartKind returns why a gateway that is starting was started: "request" (a request woke it),
// "restart" (its server had failed), or "order" (a person, the configuration, or a new instance).
func StartKind(g *gateway.Gateway) string {
	if len(g.History) == 0 {
		return "order"
	}
	last := g.History[len(g.History)-1]
	switch {
	case last.Cause == wakeCause:
		return "request"
	case last.From == gateway.StateError && last.Actor == gateway.SystemActor:
		return "restart"
	}
	return "order"
}

// recordReason returns the reason that records of sessions and batches get when their server
// failed for a reason.
func recordReason(reason string) string {
	if strings.HasPrefix(reason, reasonSilent) {
		return sessions.ReasonServerSilent
	}
	return sessions.ReasonServerEnded
}
