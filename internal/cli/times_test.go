package cli

import (
	"testing"
	"time"
)

func TestReadTime(t *testing.T) {
	now := time.Date(2026, 1, 31, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]string{
		"2026-01-30T10:00:00+01:00": "2026-01-30T09:00:00Z",
		"2026-01-30":                "2026-01-30T00:00:00Z",
		"1h":                        "2026-01-31T11:00:00Z",
		"1h30m":                     "2026-01-31T10:30:00Z",
		"90d":                       "2025-11-02T12:00:00Z",
		"1d12h":                     "2026-01-30T00:00:00Z",
		"0.5d":                      "2026-01-31T00:00:00Z",
		"yesterday":                 "", "": "", "-1h": "", "1w": "", "d": "", "NaNd": "", "1h2d": "", "2026-13-01": "",
	} {
		got, err := readTime(text, now)
		if (err != nil) != (want == "") || err == nil && got.UTC().Format(time.RFC3339) != want {
			t.Errorf("%q: %v, %v; want %s", text, got, err, want)
		}
	}
}
