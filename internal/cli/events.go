package cli

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"

	"github.com/spf13/cobra"

	"github.com/livygateway/livygateway/internal/events"
	"github.com/livygateway/livygateway/internal/gateway"
)

func (c *cli) eventsCommand() *cobra.Command {
	var follow bool
	cmd := &cobra.Command{
		Use:   "events",
		Short: "Lists and follows changes of gateways, tokens and sessions",
		Long: `Lists the latest changes of gateways, tokens and records that the Caddy instance
knows of, oldest first. With --follow it continues with new changes. A reset
means that changes may have been missed. The audit shows what was changed and by
whom.

With --json, each event is one line of JSON.`,
		Example: `  caddy livy events
  caddy livy events --follow --json`,
		Args: noArgs,
	}
	cmd.Flags().BoolVar(&follow, "follow", false, "Continue with new changes")
	cmd.RunE = func(*cobra.Command, []string) error {
		ctx, stop := context.WithCancel(c.ctx)
		defer stop()
		path, last := "/v1/events?kept=true", ""
		for {
			now, err := c.readEvents(ctx, path, &last, follow)
			switch {
			case c.ctx.Err() != nil:
				return nil
			case err != nil:
				return err
			case now && !follow:
				return nil
			case !now && !follow:
				return gateway.Errorf(gateway.KindUnavailable, "the event stream ended early")
			}
			path = "/v1/events" // it ended, for example with a reload: continue after the last event
		}
	}
	return cmd
}

// readEvents prints the events after last, and updates last. It returns when the stream ends,
// or, unless follow is set, with now when all past events have been printed.
func (c *cli) readEvents(ctx context.Context, path string, last *string, follow bool) (now bool, err error) {
	resp, err := c.requestWith(ctx, http.MethodGet, path, nil, http.Header{"Last-Event-ID": {*last}})
	if err != nil {
		return false, err
	}
	defer resp.Body.Close()
	lines := bufio.NewScanner(resp.Body)
	lines.Buffer(nil, 1<<20)
	name := ""
	for lines.Scan() {
		field, value, _ := strings.Cut(lines.Text(), ": ")
		switch field {
		case "id":
			*last = value
		case "event":
			name = value
		case "data":
			if err := c.printEvent(name, []byte(value)); err != nil {
				return false, err
			}
		case "": // a comment
			if value == "now" && !follow {
				return true, nil
			}
		}
	}
	if err := lines.Err(); err != nil && !errors.Is(err, io.ErrUnexpectedEOF) && ctx.Err() == nil {
		return false, gateway.Wrap(gateway.KindUnavailable, "reading events", err)
	}
	return false, nil
}

func (c *cli) printEvent(name string, data []byte) error {
	if c.json {
		_, err := fmt.Fprintf(c.out, "{\"event\":%q,\"data\":%s}\n", name, data)
		return err
	}
	var g events.GatewayChange
	if err := json.Unmarshal(data, &g); err != nil {
		return fmt.Errorf("reading an event: %w", err)
	}
	state := string(g.State)
	if g.Deleted {
		state = "deleted"
	}
	what := name
	if g.Workspace != "" {
		what = strings.TrimRight(fmt.Sprintf("%-8s %s/%s %s %s", name, g.Workspace, g.Gateway, g.Name, state), " ")
	}
	_, err := fmt.Fprintln(c.out, what)
	return err
}
