package cli

import (
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/gateway"
)

// draining holds the flags --drain and --now.
type draining struct {
	drain time.Duration
	now   bool
}

// flags adds the flags; start and stop are these words, and what precedes them.
func (d *draining) flags(cmd *cobra.Command, start, stop string) {
	f := cmd.Flags()
	f.Var(durationValue{&d.drain}, "drain", start+" the new Livy server first, and let the present one keep its sessions and batches until they end, at most this long (2h if no time is given)")
	f.Lookup("drain").NoOptDefVal = strings.TrimSuffix(gateway.DefaultDrain.String(), "0m0s")
	f.Lookup("drain").DefValue = ""
	f.BoolVar(&d.now, "now", false, stop+" the present Livy server first, which ends its sessions (the default)")
	complete(cmd, "drain", words("30m", "2h", "12h"))
}

// args is oneArg, with the value of --drain after it: pflag takes "--drain 30m" for --drain
// without a value, and an argument.
func (d *draining) args(cmd *cobra.Command, args []string) error {
	if len(args) == 2 && d.drain == gateway.DefaultDrain {
		if drain, err := readDuration(args[1]); err == nil {
			d.drain = drain
			return nil
		}
	}
	return oneArg(cmd, args)
}

func (d *draining) check(cmd *cobra.Command) error {
	switch {
	case !cmd.Flags().Changed("drain"):
	case d.now:
		return badUsage(errors.New("--drain and --now exclude each other"))
	case d.drain < time.Second:
		return badUsage(errors.New("--drain: must be at least 1s"))
	}
	return nil
}

func (d *draining) query(q url.Values) {
	if d.drain > 0 {
		q.Set("drainSeconds", strconv.FormatInt(int64(d.drain.Seconds()), 10))
	}
}

// replacing reports whether a Livy server of the gateway is still to take the place of another.
func replacing(g *api.Gateway) bool {
	for i := range g.Status.Servers {
		if v := &g.Status.Servers[i]; v.State == gateway.ServerStarting && !v.Joins {
			return true
		}
	}
	return false
}

func serverLines(servers []api.LivyServer) []string {
	var lines []string
	for _, s := range servers {
		line := fmt.Sprintf("%d %s since %s", s.Number, s.State, second(s.Since))
		if s.Engine != "" {
			line += ", engine " + s.Engine
		}
		if s.Live != nil {
			line += ", " + gateway.Count(s.Live.Sessions, "session") + ", " + gateway.Count(s.Live.Batches, "batch")
		}
		if !s.DrainUntil.IsZero() && s.State == string(gateway.ServerDraining) {
			line += ", at most until " + second(s.DrainUntil)
		}
		if !s.UnresponsiveSince.IsZero() {
			line += ", does not answer since " + second(s.UnresponsiveSince)
		}
		if !s.NextStart.IsZero() {
			line += ", starts at " + second(s.NextStart)
		}
		if s.Reason != "" {
			line += ": " + s.Reason
		}
		lines = append(lines, line)
	}
	return lines
}
