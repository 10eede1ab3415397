package cli

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/gateway"
)

// TestEndpointsAreShown: all addresses of a gateway, or its path if no site is known.
func TestEndpointsAreShown(t *testing.T) {
	private := api.Endpoint{URL: "https://a.example.com/etl"}
	public := api.Endpoint{URL: "https://b.example.com/etl", Public: true}
	for name, tt := range map[string]struct {
		endpoints []api.Endpoint
		want      string
	}{
		"none": {nil, "Endpoint: /etl"},
		"one":  {[]api.Endpoint{private}, "Endpoint: https://a.example.com/etl"},
		"two":  {[]api.Endpoint{private, public}, "Endpoints: https://a.example.com/etl https://b.example.com/etl (public)"},
	} {
		var out bytes.Buffer
		c := &cli{out: &out}
		var d details
		addEndpoints(&d, &api.Gateway{Endpoint: "/etl", Endpoints: tt.endpoints})
		c.writeDetails(&d)
		if got := strings.Join(strings.Fields(out.String()), " "); got != tt.want {
			t.Errorf("%s: %q, want %q", name, got, tt.want)
		}
	}
}

// TestFailuresAreShown: what went wrong with a server, and when it is tried again.
func TestFailuresAreShown(t *testing.T) {
	at := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	well := gateway.Status{State: gateway.StateRunning}
	silent := well
	silent.UnresponsiveSince = at
	failed := gateway.Status{State: gateway.StateError, Reason: "the server ended"}
	failed.Fail("the server ended", at, time.Minute)
	for name, tt := range map[string]struct {
		status gateway.Status
		want   []string // rows, without the blanks between
	}{
		"well":   {well, nil},
		"silent": {silent, []string{"No answer since: 2026-01-31T12:00:00Z"}},
		"failed": {failed, []string{"Last failure: 2026-01-31T12:00:00Z the server ended", "Failures: 1", "Next start: 2026-01-31T12:00:01Z"}},
	} {
		var out bytes.Buffer
		c := &cli{out: &out}
		if err := c.printGateway(reply[api.Gateway]{got: api.Gateway{Gateway: &gateway.Gateway{
			Spec: gateway.Spec{Name: "etl"}, Workspace: "default", Status: tt.status,
		}}}); err != nil {
			t.Fatal(err)
		}
		var rows []string
		for line := range strings.Lines(out.String()) {
			row := strings.Join(strings.Fields(line), " ")
			for _, label := range []string{"No answer", "Last failure", "Failures", "Next start"} {
				if strings.HasPrefix(row, label) {
					rows = append(rows, row)
				}
			}
		}
		if strings.Join(rows, "|") != strings.Join(tt.want, "|") {
			t.Errorf("%s: %q, want %q", name, rows, tt.want)
		}
	}
}
