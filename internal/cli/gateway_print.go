package cli

import (
	"fmt"
	"strings"

	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/gateway"
)

// shownHistory is how many of the last transitions are shown.
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
		d.add("Livy", g.Status.LivyVersion)
		d.add("Engine", g.Spec.Engine)
		d.add("Resources", fmt.Sprintf("%d CPU, %s", g.Spec.CPU, g.Spec.Memory))
		d.add("Fusion", g.Spec.Fusion)
		d.add("Cluster", g.Spec.Cluster)
		d.add("Queue", g.Spec.Queue)
		d.add("Identity", g.Spec.Identity)
		d.add("Environment", g.Spec.Environment)
		d.add("Network", g.Spec.Network)
		d.add("Directories", strings.Join(g.Spec.Directories, ", "))
		d.add("Public", yesNo(g.Spec.Public))
		d.add("Isolated", yesNo(g.Spec.Isolated))
		d.add("Auto-stop", autoStop(g.Spec.AutoStop))
		d.add("Auto-start", autoStart(g.Spec.AutoStart))
		d.add("Policy", g.Spec.Policy)
		d.add("Statement audit", g.Spec.StatementAudit)
		d.add("Files", strings.Join(files(&g.Spec), ", "))
		d.add("Routes off", strings.Join(g.Spec.DisabledRoutes, ", "))
		d.add("Endpoint", g.Endpoint)
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

// files are the configuration files that a gateway has, by name.
func files(s *gateway.Spec) (names []string) {
	for _, f := range []struct{ name, text string }{
		{"spark-defaults.conf", s.SparkDefaults},
		{"livy.conf", s.LivyConf},
		{"livy-client.conf", s.LivyClientConf},
		{"spark-blacklist.conf", s.SparkBlacklist},
		{"policy.rules", s.PolicyRules},
	} {
		if f.text != "" {
			names = append(names, f.name)
		}
	}
	return names
}

// yesNo is empty for no, which is not worth a line.
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
	return fmt.Sprintf("by a request, which waits up to %d s", a.Wait())
}
