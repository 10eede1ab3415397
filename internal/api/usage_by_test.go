package api_test

import "testing"

// TestUsageRefuses checks the ways to name days.
func TestUsageRefuses(t *testing.T) {
	f := newClient(t)
	for query, want := range map[string]int{
		"": 200, "?by=token&month=2026-01": 200, "?by=workspace&since=2026-01-01": 200, "?by=gateway&day=2026-01-31&format=csv": 200,
		"?by=team": 400, "?month=2026": 400, "?day=x": 400, "?month=2026-01&day=2026-01-31": 400, "?until=2026-01-31": 400,
		"?since=2026-01-31&until=2026-01-01": 400,
	} {
		f.do("GET", "/v1/usage"+query, "", want, nil)
	}
}
