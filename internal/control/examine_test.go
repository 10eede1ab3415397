package control

import (
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

func TestTheDoctorNamesWhatDoesNotWork(t *testing.T) {
	s, _ := storetest.Mini(t)
	m := testManager(t, s, newFakeRuntime(t))
	g := create(t, m, "etl", false)
	for _, tt := range []struct {
		name       string
		status     gateway.Status
		finds, fix string
	}{
		{"it runs", gateway.Status{State: gateway.StateRunning}, "", ""},
		{
			"unresponsive",
			gateway.Status{State: gateway.StateRunning, UnresponsiveSince: time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)},
			"has not answered since 2026-01-31T12:00:00Z", "caddy livy gateway restart etl",
		},
		{"failed", gateway.Status{State: gateway.StateError, Reason: "exit code 1"}, "exit code 1", "caddy livy gateway logs etl"},
		{"being deleted", gateway.Status{State: gateway.StateDeleting, Reason: string(stopServer)}, "", ""},
		{
			"cannot be deleted",
			gateway.Status{State: gateway.StateDeleting, Reason: "stopping the Livy server failed"},
			"its deletion is not complete: stopping the Livy server failed", "is retried",
		},
	} {
		now := *g
		now.Status = tt.status
		found := m.examineGateway(t.Context(), &now)
		switch {
		case tt.finds == "" && len(found) == 0:
		case len(found) != 1 || found[0].Status != "fail" || !strings.Contains(found[0].Summary, tt.finds) || !strings.Contains(found[0].Mend, tt.fix):
			t.Errorf("%s: %+v", tt.name, found)
		}
	}
}
