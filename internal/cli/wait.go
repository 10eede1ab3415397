package cli

import (
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/gateway"
)

// waiting holds the flags --wait and --timeout.
type waiting struct {
	wait    bool
	timeout time.Duration
}

func (w *waiting) flags(cmd *cobra.Command, usage string) {
	cmd.Flags().BoolVar(&w.wait, "wait", false, usage)
	durationFlag(cmd, &w.timeout, "timeout", 10*time.Minute, "With --wait: the longest time to wait")
}

// await polls a gateway until it reaches its desired state.
func (c *cli) await(g reply[api.Gateway], goal gateway.State, timeout time.Duration) (reply[api.Gateway], error) {
	id, name, workspace := g.got.ID, g.got.Spec.Name, g.got.Workspace
	start := time.Now()
	p := progress{c: c, start: start}
	defer p.end()
	replaced := false // a server is or was to take the place of another
	reached := func(s gateway.State) bool {
		return s == goal || goal == gateway.StateStopped && s == gateway.StateCreated
	}
	for {
		status := g.got.Status
		if !replacing(&g.got) {
			p.show(name + ": " + strings.TrimSpace(string(status.State)+" "+status.Reason))
		}
		switch {
		case reached(status.State) && replacing(&g.got):
			replaced = true
			p.show(name + ": " + string(status.State) + ", and a new Livy server starts beside the present one")
		case reached(status.State) && replaced && status.ReplaceFailure != nil:
			return g, fmt.Errorf("gateway %s: the Livy server was not replaced and serves on: %s", name, status.ReplaceFailure.Reason)
		case reached(status.State):
			return g, nil
		case status.State == gateway.StateError:
			return g, fmt.Errorf("gateway %s: %s", name, status.Reason)
		}
		for {
			if time.Since(start) >= timeout {
				f := fromKind(gateway.KindUnavailable,
					fmt.Sprintf("gateway %s is still %s after %s", name, status.State, timeout))
				f.ExitCode = exitTimeout
				return g, f
			}
			select {
			case <-c.ctx.Done():
				return g, c.ctx.Err()
			case <-time.After(c.pause(time.Since(start))):
			}
			c.workspace = workspace
			next, err := get[api.Gateway](c, c.path(id))
			if err == nil {
				g = next
				break
			}
			// Redis may be unreachable for a moment; the operation continues.
			if asFailure(err).ExitCode != exitUnavailable {
				return g, err
			}
			p.show(name + ": " + err.Error())
		}
	}
}

// pause returns the pause before the next poll. Servers start within a second or two, so that it is
// short at first.
func (c *cli) pause(waited time.Duration) time.Duration {
	return min(max(c.Poll/20, waited/20), c.Poll)
}

// progress shows the progress of a wait: one line that is rewritten on a terminal, otherwise a line
// for each change.
type progress struct {
	c     *cli
	start time.Time
	last  string
	open  bool
}

func (p *progress) show(text string) {
	text = oneLine(text)
	if isTerminal(p.c.err) {
		took := fmt.Sprintf(" (%s)", time.Since(p.start).Round(time.Second))
		fmt.Fprintf(p.c.err, "\r\x1b[K%s%s", cut(text, p.c.width()-len(took)-1), took)
		p.open = true
		return
	}
	// With --json a program may also read standard error.
	if text != p.last && !p.c.json {
		fmt.Fprintln(p.c.err, text)
		p.last = text
	}
}

func (p *progress) end() {
	if p.open {
		fmt.Fprintln(p.c.err)
	}
}
