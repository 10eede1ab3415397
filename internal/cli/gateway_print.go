package cli

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/gateway"
)

// shownHistory is the number of transitions shown.
const shownHistory = 10

func (c *cli) printGateway(r reply[api.Gateway]) error {
	g := r.got
	return c.print(r.raw, func() {
		var d details
		d.add("Name", g.Spec.Name)
		d.add("Workspace", g.Workspace)
		d.add("ID", g.ID)
		d.add("State", string(g.Status.State))
		d.add("Since", second(g.Status.Since))
		d.add("Reason", g.Status.Reason)
		d.add("No answer since", second(g.Status.UnresponsiveSince))
		if f := g.Status.LastFailure; f != nil {
			d.add("Last failure", second(f.Time)+" "+f.Reason)
			d.add("Failures", strconv.Itoa(g.Status.Restarts))
		}
		d.add("Next start", second(g.Status.NextStart))
		d.add("Livy", g.Status.LivyVersion)
		d.list("Servers", serverLines(g.Servers))
		addSettings(&d, &g.Spec)
		d.list("Warm (learned)", warmLines(g.Status.WarmLearned))
		addEndpoints(&d, &g)
		d.add("Restart needed", strings.Join(g.RestartNeeded, ", "))
		d.list("Notes", g.Notes)
		d.add("Created", second(g.CreatedAt)+" by "+g.CreatedBy)
		history := g.History
		if !c.wide {
			history = history[max(0, len(history)-shownHistory):]
		}
		lines := make([]string, len(history))
		for i, t := range history {
			lines[i] = strings.TrimSpace(fmt.Sprintf("%s %s by %s %s", second(t.Time), t.To, t.Actor, t.Cause))
		}
		d.list("History", lines)
		c.writeDetails(&d)
	})
}

// addEndpoints adds the addresses of a gateway; its path if no site that serves it is known.
func addEndpoints(d *details, g *api.Gateway) {
	if len(g.Endpoints) == 0 {
		d.add("Endpoint", g.Endpoint)
		return
	}
	label := "Endpoint"
	if len(g.Endpoints) > 1 {
		label = "Endpoints"
	}
	lines := make([]string, len(g.Endpoints))
	for i, e := range g.Endpoints {
		lines[i] = e.URL
		if e.Public {
			lines[i] += " (public)"
		}
	}
	d.list(label, lines)
}

// addSettings adds the settings that are set.
func addSettings(d *details, s *gateway.Spec) {
	filesShown := false
	for _, p := range gateway.Parameters() {
		switch v := p.In(s).(type) {
		case *int: // cpu, which shows all of them
			if p.Label != "" {
				d.add(p.Label, resources(s))
			}
		case *string:
			switch {
			case p.File != "" && !filesShown:
				d.add("Files", strings.Join(files(s), ", "))
				filesShown = true
			case p.Label != "":
				d.add(p.Label, *v)
			}
		case *bool:
			d.add(p.Label, yesNo(*v))
		case *[]string:
			d.add(p.Label, strings.Join(*v, ", "))
		case *[]gateway.Warm:
			d.list(p.Label, warmLines(*v))
		case *gateway.AutoStop:
			d.add(p.Label, autoStop(*v))
		case *gateway.AutoStart:
			d.add(p.Label, autoStart(*v))
		}
	}
}

func warmLines(shapes []gateway.Warm) []string {
	lines := make([]string, len(shapes))
	for i := range shapes {
		lines[i] = shapes[i].String()
	}
	return lines
}

// resources describes what a gateway's servers have.
func resources(s *gateway.Spec) string {
	text := fmt.Sprintf("%d CPU, %s", s.CPU, s.Memory)
	if s.Servers > 1 {
		text = fmt.Sprintf("%d servers, each with %s", s.Servers, text)
	}
	return text
}

// files returns the names of the configuration files that a gateway has.
func files(s *gateway.Spec) (names []string) {
	for _, p := range gateway.Parameters() {
		if text, ok := p.In(s).(*string); ok && p.File != "" && *text != "" {
			names = append(names, p.File)
		}
	}
	return names
}

// yesNo returns "yes", or "" for no, which is not shown.
func yesNo(b bool) string {
	if b {
		return "yes"
	}
	return ""
}

func autoStop(a gateway.AutoStop) string {
	if !a.Enabled {
		return ""
	}
	return "after " + gateway.Count(a.Minutes, "idle minute")
}

func autoStart(a gateway.AutoStart) string {
	if !a.Enabled {
		return ""
	}
	return fmt.Sprintf("on request, waiting up to %d s", a.Wait())
}
