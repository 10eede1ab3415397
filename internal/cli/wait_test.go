package cli

import (
	"bytes"
	"testing"
	"time"
)

// Lines that say the same are written once, and not at all for programs.
func TestProgress(t *testing.T) {
	for _, asJSON := range []bool{false, true} {
		var errs bytes.Buffer
		c := &cli{json: asJSON, err: &errs}
		p := progress{c: c, start: time.Now()}
		for _, text := range []string{"etl: Starting", "etl: Starting", "etl: Running\x1b[2J"} {
			p.show(text)
		}
		p.end()
		want := "etl: Starting\netl: Running [2J\n"
		if asJSON {
			want = ""
		}
		if got := errs.String(); got != want {
			t.Errorf("json %v: %q, want %q", asJSON, got, want)
		}
	}
}

func TestCutAndWrap(t *testing.T) {
	for _, tt := range []struct {
		text string
		n    int
		want string
	}{{"short", 5, "short"}, {"longer", 5, "long…"}, {"äöüß", 3, "äö…"}, {"a\nb", 5, "a b"}} {
		if got := cut(tt.text, tt.n); got != tt.want {
			t.Errorf("cut(%q, %d) = %q, want %q", tt.text, tt.n, got, tt.want)
		}
	}
}

func TestPause(t *testing.T) {
	c := &cli{Options: Options{Poll: time.Second}}
	for waited, want := range map[time.Duration]time.Duration{
		0: 50 * time.Millisecond, 5 * time.Second: 250 * time.Millisecond, time.Minute: time.Second,
	} {
		if got := c.pause(waited); got != want {
			t.Errorf("after %s: %s, want %s", waited, got, want)
		}
	}
}
