package cli

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/livygateway/livygateway/internal/gateway"
)

func TestNewLines(t *testing.T) {
	for name, tt := range map[string]struct{ before, now, want string }{
		"nothing new":            {"a b c", "a b c", ""},
		"more":                   {"a b c", "a b c d e", "d e"},
		"the window moved":       {"a b c", "b c d", "d"},
		"a larger window":        {"c", "a b c d", "d"},
		"a larger window, same":  {"c", "a b c", ""},
		"everything is new":      {"a b c", "x y", "x y"},
		"the first lines":        {"", "a b", "a b"},
		"no lines any more":      {"a b", "", ""},
		"a line that comes back": {"a x", "a x b x", "b x"},
		"restarted, same start":  {"a b c", "a", "a"},
	} {
		t.Run(name, func(t *testing.T) {
			if got := newLines(strings.Fields(tt.before), strings.Fields(tt.now)); !slices.Equal(got, strings.Fields(tt.want)) {
				t.Errorf("new lines %q, want %q", got, tt.want)
			}
		})
	}
}

// TestFollowLines checks that new lines are written, that a Caddy which is away for a moment ends
// nothing, and that a gateway which is gone does.
func TestFollowLines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		away, gone := gateway.Errorf(gateway.KindUnavailable, "away"), gateway.Errorf(gateway.KindNotFound, "gone")
		reads := []struct {
			lines string
			err   error
		}{{"a b", nil}, {"", away}, {"a b c", nil}, {"", gone}}
		var written []string
		err := followLines(t.Context(), []string{"a"}, func() ([]string, error) {
			r := reads[0]
			reads = reads[1:]
			return strings.Fields(r.lines), r.err
		}, func(lines []string) { written = append(written, lines...) })
		if !errors.Is(err, gone) || strings.Join(written, " ") != "b c" {
			t.Errorf("wrote %q and ended with %v", written, err)
		}

		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		if err := followLines(ctx, nil, nil, nil); err != nil {
			t.Errorf("an interrupted command: %v", err)
		}
	})
}
