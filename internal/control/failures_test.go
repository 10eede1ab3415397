package control

import (
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
)

func TestFailureKind(t *testing.T) {
	for reason, want := range map[string]string{
		"the Livy server ended: exit code 137 (out of memory)":                                  "ended",
		"the Livy server did not answer within 3m0s":                                            "slow",
		"the Livy server has not answered since 2026-01-01T00:00:00Z, for more than 5m0s":       "unresponsive",
		"the Livy server has version 0.8.0-incubating instead of the promised 0.7.1":            "start",
		"creating the container: no such image; last lines: the Livy server ended: exit code 1": "start",
	} {
		g := new(gateway.Gateway)
		if FailureKind(g) != "" {
			t.Error("no failure has a kind")
		}
		g.Status.Fail(reason, time.Now(), time.Minute)
		if got := FailureKind(g); got != want {
			t.Errorf("%s: %s, want %s", reason, got, want)
		}
	}
}

func TestStartKind(t *testing.T) {
	tests := []struct {
		name         string
		from         gateway.State
		actor, cause string
		want         string
	}{
		{"a person", gateway.StateStopped, "ann", "waiting for the Livy server", "order"},
		{"a request", gateway.StateStopped, gateway.SystemActor, wakeCause, "request"},
		{"a request after a failure", gateway.StateError, gateway.SystemActor, wakeCause, "request"},
		{"after a failure", gateway.StateError, gateway.SystemActor, "starting the Livy server", "restart"},
		{"a person after a failure", gateway.StateError, "ann", "", "order"},
		{"a restart by a person", gateway.StateStopping, gateway.SystemActor, "starting the Livy server", "order"},
	}
	for _, tt := range tests {
		g := new(gateway.Gateway)
		g.Enter(tt.from, "", "ann", time.Now())
		g.Enter(gateway.StateStarting, tt.cause, tt.actor, time.Now())
		if got := StartKind(g); got != tt.want {
			t.Errorf("%s: %s, want %s", tt.name, got, tt.want)
		}
	}
	if got := StartKind(new(gateway.Gateway)); got != "order" {
		t.Errorf("without a history: %s", got)
	}
}

func TestRecordReason(t *testing.T) {
	for reason, want := range map[string]string{
		reasonEnded + "exit status 1":            "the Livy server ended unexpectedly",
		reasonSilent + "12:00, for more than 5m": "the Livy server stopped answering and was restarted",
	} {
		if got := recordReason(reason); got != want {
			t.Errorf("records of a server that failed since %q end with %q, want %q", reason, got, want)
		}
	}
}
