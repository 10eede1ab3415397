package cli

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
)

const timeRule = "must be a time such as 2026-01-31T12:00:00Z, a day such as 2026-01-31 (UTC), or how long ago, such as 90d or 1h30m"

// readTime reads a time: RFC 3339, a day, or how long it is ago.
func readTime(text string, now time.Time) (time.Time, error) {
	for _, layout := range []string{time.RFC3339, time.DateOnly} {
		if t, err := time.Parse(layout, text); err == nil {
			return t, nil
		}
	}
	if d, err := readDuration(text); err == nil {
		return now.Add(-d), nil
	}
	return time.Time{}, errors.New(timeRule)
}

// readDuration reads a duration as Go does, with days besides: 90d, 1d12h, 1h30m.
func readDuration(text string) (time.Duration, error) {
	const rule = "must be a duration such as 90d, 1h30m or 45s"
	var days time.Duration
	rest := text
	if number, after, ok := strings.Cut(text, "d"); ok {
		n, err := strconv.ParseFloat(number, 64)
		if err != nil || !(n >= 0 && n < 100_000) {
			return 0, errors.New(rule)
		}
		days, rest = time.Duration(n*24*float64(time.Hour)), after
		if rest == "" {
			return days, nil
		}
	}
	d, err := time.ParseDuration(rest)
	if err != nil || d < 0 {
		return 0, errors.New(rule)
	}
	return days + d, nil
}

// durationValue is a flag that is a duration.
type durationValue struct{ d *time.Duration }

func (v durationValue) String() string {
	if v.d == nil {
		return ""
	}
	return v.d.String()
}
func (v durationValue) Type() string { return "duration" }
func (v durationValue) Set(text string) (err error) {
	*v.d, err = readDuration(text)
	return err
}

func durationFlag(cmd *cobra.Command, d *time.Duration, name string, fallback time.Duration, usage string) {
	*d = fallback
	cmd.Flags().Var(durationValue{d}, name, usage)
}

// daysValue is a flag that is a number of days: 90 or 90d.
type daysValue struct{ n *int }

func (v daysValue) String() string {
	if v.n == nil {
		return ""
	}
	return strconv.Itoa(*v.n)
}
func (v daysValue) Type() string { return "days" }
func (v daysValue) Set(text string) (err error) {
	if *v.n, err = strconv.Atoi(strings.TrimSuffix(text, "d")); err != nil {
		return errors.New("must be a number of days such as 90 or 90d")
	}
	return nil
}

// span is the flags --from, --since and --until.
type span struct {
	from, since, until string
	now                func() time.Time
}

func (s *span) flags(cmd *cobra.Command, what string) {
	s.now = time.Now
	f := cmd.Flags()
	f.StringVar(&s.from, "from", "", what+" this time or later: 2026-01-31T12:00:00Z, 2026-01-31, or so long ago: 1h30m, 90d")
	f.StringVar(&s.since, "since", "", "The same as --from, e.g. --since 1h")
	f.StringVar(&s.until, "until", "", strings.TrimSuffix(what, " at")+" before this time")
	for _, name := range []string{"from", "since", "until"} {
		complete(cmd, name, nothing)
	}
}

// set puts the times into a query, in a layout.
func (s *span) set(q url.Values, layout string) error {
	if s.from != "" && s.since != "" {
		return badUsage(errors.New("--from and --since mean the same: give one of them"))
	}
	now := s.now().UTC()
	read := map[string]time.Time{}
	for _, f := range []struct{ flag, text string }{{"from", s.from}, {"since", s.since}, {"until", s.until}} {
		if f.text == "" {
			continue
		}
		t, err := readTime(f.text, now)
		if err != nil {
			return badUsage(fmt.Errorf("--%s: %w (got %q)", f.flag, err, f.text))
		}
		name := f.flag
		if name == "since" {
			name = "from"
		}
		read[name] = t
		q.Set(name, t.UTC().Format(layout))
	}
	if from, until := read["from"], read["until"]; !from.IsZero() && !until.IsZero() && q.Get("from") > q.Get("until") {
		return badUsage(fmt.Errorf("--until: must not be earlier than --from (got %q)", s.until))
	}
	return nil
}
