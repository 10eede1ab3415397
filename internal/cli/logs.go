package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/gateway"
)

// followedLines is the number of lines that are read at a time to find the new ones, and
// followPause the time between two reads.
const (
	followedLines = 1000
	followPause   = time.Second
)

func (c *cli) logsCommand() *cobra.Command {
	var lines int
	var follow bool
	cmd := &cobra.Command{
		Use:   "logs NAME",
		Short: "Shows the last output of a gateway's Livy server",
		Long: `Shows the last output of a gateway's Livy server. With --follow it continues with
new lines, also after a restart, until it is interrupted.

With --json and --follow, each read that finds new lines is one line of JSON.`,
		Example: `  caddy livy gateway logs etl --lines 20 --follow`,
		Args:    oneArg, ValidArgsFunction: first(c.gateways),
		RunE: func(_ *cobra.Command, args []string) error {
			if !follow {
				logs, err := c.logs(args[0], lines)
				if err != nil {
					return err
				}
				return c.print(logs.raw, func() { c.writeLines(logs.got.Lines) })
			}
			if lines < 1 {
				return gateway.Invalid("lines", strconv.Itoa(lines), "must be a number from 1 to 10000")
			}
			read := func() ([]string, error) {
				logs, err := c.logs(args[0], max(lines, followedLines))
				return logs.got.Lines, err
			}
			seen, err := read()
			if err != nil {
				return err
			}
			c.writeFollowed(seen[max(0, len(seen)-lines):])
			return followLines(c.ctx, seen, read, c.writeFollowed)
		},
	}
	cmd.Flags().IntVar(&lines, "lines", 100, "Number of lines, up to 10000")
	cmd.Flags().BoolVar(&follow, "follow", false, "Continue with new lines")
	return cmd
}

func (c *cli) logs(name string, lines int) (reply[api.Logs], error) {
	return get[api.Logs](c, query(c.path(name, "logs"), url.Values{"lines": {strconv.Itoa(lines)}}))
}

func (c *cli) writeLines(lines []string) {
	for _, line := range lines {
		fmt.Fprintln(c.out, line)
	}
}

// writeFollowed prints the lines of one read.
func (c *cli) writeFollowed(lines []string) {
	if !c.json {
		c.writeLines(lines)
		return
	}
	if text, err := json.Marshal(api.Logs{Lines: lines}); err == nil && len(lines) > 0 {
		fmt.Fprintf(c.out, "%s\n", text)
	}
}

// followLines writes what read finds after the lines seen, until ctx ends or a read fails for
// another reason than that something is unavailable, as Caddy is while it restarts.
func followLines(ctx context.Context, seen []string, read func() ([]string, error), write func([]string)) error {
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(followPause):
		}
		now, err := read()
		switch {
		case ctx.Err() != nil:
			return nil
		case err != nil && asFailure(err).ExitCode == exitUnavailable:
			continue
		case err != nil:
			return err
		}
		write(newLines(seen, now))
		seen = now
	}
}

// newLines returns the lines of now that follow those of before. Both are the end of a log, of
// which now may show more or less, or another log.
func newLines(before, now []string) []string {
	for shown := len(now); shown > 0; shown-- {
		// The lines that were seen end at this place, as far back as both show them.
		known := now[:shown]
		if n := min(len(before), shown); n > 0 && slices.Equal(before[len(before)-n:], known[shown-n:]) {
			return now[shown:]
		}
	}
	return now
}
