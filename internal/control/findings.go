package control

import (
	"fmt"
	"strings"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
)

// Finding is a warning about a gateway: a catalog entry that no longer exists, a setting
// without effect, and the like.
type Finding struct {
	Text string
	// Mend describes what to do about it.
	Mend string
	// fact is set if it is no problem.
	fact bool
}

// Notes returns the texts of all findings about a gateway, and facts about it.
func (m *Manager) Notes(g *gateway.Gateway) []string {
	var notes []string
	for _, f := range m.findings(g) {
		notes = append(notes, f.Text)
	}
	return notes
}

// Findings returns the findings about a gateway that are problems.
func (m *Manager) Findings(g *gateway.Gateway) []Finding {
	var list []Finding
	for _, f := range m.findings(g) {
		if !f.fact {
			list = append(list, f)
		}
	}
	return list
}

func (m *Manager) findings(g *gateway.Gateway) (list []Finding) {
	change := mendSettings(g)
	add := func(mend, format string, args ...any) {
		list = append(list, Finding{Text: fmt.Sprintf(format, args...), Mend: mend})
	}
	for _, e := range missing(g, m.Catalog()) {
		add("put it back into the livy block, or "+change, "%s %q is no longer in the configuration; jobs are refused "+
			"or the next start fails until it is back or the gateway is changed (%s)", e.Field, e.Value, unpin(g, e.Field))
	}
	if err := outdatedVersion(g, m.resolve(g).wanted); err != nil {
		add(unpin(g, "livyVersion"), "%s", err)
	}
	if g.Declared {
		list = append(list, Finding{
			Text: "declared in the configuration of Caddy; its settings can be changed only there", fact: true,
		})
	}
	for _, note := range m.declaredNotes(g) {
		add(change, "%s", note)
	}
	r := m.resolve(g)
	for _, note := range r.wanted.Typos() {
		add(change+"; leave it if it is meant", "%s", note)
	}
	now, master := r.inForce, r.inForce.Master
	if g.Spec.Queue != "" && !now.YARN() && !now.Kubernetes() {
		add(change+" (queue); leave it if it is meant", "queue %q is set in every job but has no effect: %s has no queues",
			g.Spec.Queue, master)
	}
	if g.Spec.Identity != "" && !now.Impersonates() && !m.external() {
		add(change+" (livyConf: livy.impersonation.enabled = true); leave it if it is meant", "identity %q is set in "+
			"every job but has no effect: livy.conf does not set livy.impersonation.enabled = true", g.Spec.Identity)
	}
	if len(g.Spec.Directories) > 0 && now.DriversAway() {
		add("mount them on those machines, or use deploy mode client", "directories are mounted on the Livy server "+
			"only: in deploy mode cluster drivers run on the machines of %s, which must mount them themselves", master)
	}
	if g.Spec.MountToExecutor && (now.YARN() || strings.HasPrefix(master, "spark://")) {
		add(change+" (mountToExecutor)", "mountToExecutor has no effect on %s: its machines must mount the "+
			"directories themselves", master)
	}
	if since := g.Status.UnresponsiveSince; !since.IsZero() {
		add("see its log: "+command("logs", g)+"; restart it with "+command("restart", g)+", which ends its sessions",
			"%s", m.unresponsiveNote(since))
	}
	for i := range g.Status.Servers {
		v := &g.Status.Servers[i]
		if since := v.UnresponsiveSince; !since.IsZero() {
			add("see its log where it runs; restart the gateway with "+command("restart", g)+", which ends its sessions",
				"server %d: %s", v.Number, m.unresponsiveNote(since))
		}
		if f := v.LastFailure; f != nil && v.State != gateway.ServerServing {
			add("see its reason: "+command("show", g), "server %d failed at %s and is started again; its sessions and "+
				"batches have ended: %s", v.Number, f.Time.Format(time.RFC3339), gateway.MaskSecrets(f.Reason))
		}
		if m.external() && v.State == gateway.ServerServing && m.full(g.At(i), 1) {
			add("restart the gateway with "+command("restart", g)+", which ends its sessions",
				"server %d has used up the ids that it was given and gets no more sessions or batches", v.Number)
		}
	}
	if now, want := g.ServingServers(), g.WantedServers(); want > 1 && g.Status.State == gateway.StateRunning {
		list = append(list, Finding{Text: fmt.Sprintf("%d of %d Livy servers serve", now, want), fact: true})
	}
	if g.Status.Rolling != nil {
		list = append(list, Finding{Text: "its Livy servers are replaced one after the other", fact: true})
	}
	unseen := g.Status.Unseen
	if unseen == "" {
		unseen = now.CannotSee()
	}
	if unseen != "" {
		add("correct ldap_login in the livy block, see docs/gateways.md", "sessions and batches are not followed and "+
			"auto-stop is off: %s", unseen)
	}
	if m.awaitsEventLogs(g) {
		add("restart it with "+command("restart", g)+", which ends its sessions", "jobs write no event logs for the "+
			"history server until the next start: the server was started without the directory")
	}
	if off := g.Status.FusionOff; off != "" {
		add("run it on another machine, or "+change+" (fusion)", "%s", off)
	}
	if note := m.WarmNote(g.ID); note != "" && g.Status.State == gateway.StateRunning {
		add(change+" (warm, memory)", "%s", note)
	}
	if f := g.Status.ReplaceFailure; f != nil {
		add("see the log of the gateway, then restart it again", "the Livy server was not replaced at %s and serves on: %s",
			f.Time.Format(time.RFC3339), gateway.MaskSecrets(f.Reason))
	}
	return list
}

// command returns a command about a gateway.
func command(verb string, g *gateway.Gateway) string {
	return fmt.Sprintf("caddy livy gateway %s %s --workspace %s", verb, g.Spec.Name, g.Workspace)
}

// mendSettings describes how to change a gateway's settings.
func mendSettings(g *gateway.Gateway) string {
	if g.Declared {
		return fmt.Sprintf("change gateway %s in Caddy's configuration, then reload it", g.Spec.Name)
	}
	return "change it with " + command("update", g)
}
