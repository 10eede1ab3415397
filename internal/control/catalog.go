package control

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
)

// Catalog returns the catalog of the configuration in force.
func (m *Manager) Catalog() *gateway.Catalog { return &m.settings.Load().Catalog }

// UsedBy lists the gateways, as "workspace/name", whose spec satisfies uses.
func (m *Manager) UsedBy(uses func(*gateway.Spec) bool) []string {
	var refs []string
	for _, e := range m.snapshots.entries() {
		now := e.Gateway.InForce()
		if uses(&e.Gateway.Spec) || uses(&now) {
			refs = append(refs, e.Gateway.Ref())
		}
	}
	return refs
}

// CheckCatalog returns an error if a new catalog lacks an entry of the current one that a
// gateway uses. Until the gateways have been read there is nothing to compare. Declared
// gateways are not checked: the new configuration itself redeclares or stops them.
func (m *Manager) CheckCatalog(next *gateway.Catalog, declared []Declaration) error {
	now := m.Catalog()
	for _, e := range m.snapshots.entries() {
		here := func(d Declaration) bool { return d.ref() == e.Gateway.Ref() }
		if e.Gateway.Declared || slices.ContainsFunc(declared, here) {
			continue
		}
		had := missing(e.Gateway, now)
		for _, lost := range missing(e.Gateway, next) {
			same := func(h *gateway.Error) bool { return h.Field == lost.Field && h.Value == lost.Value }
			if !slices.ContainsFunc(had, same) {
				return gateway.Errorf(gateway.KindConflict,
					"%s %q is used by gateway %s: change or delete the gateway first",
					lost.Field, lost.Value, e.Gateway.Ref())
			}
		}
	}
	return nil
}

// missing lists the entries that a catalog lacks, of those that a gateway's settings name or
// that its running server was started with.
func missing(g *gateway.Gateway, c *gateway.Catalog) []*gateway.Error {
	list := g.Spec.Missing(c)
	now := g.InForce()
	for _, e := range now.Missing(c) {
		if e.Field == "engine" && g.Spec.Engine == "" {
			continue // the operator chooses the engine, and the running server no longer needs its entry
		}
		listed := func(h *gateway.Error) bool { return h.Field == e.Field && h.Value == e.Value }
		if !slices.ContainsFunc(list, listed) {
			list = append(list, e)
		}
	}
	return list
}

// Notes returns warnings about a gateway: catalog entries that no longer exist, settings
// without effect, and the like.
func (m *Manager) Notes(g *gateway.Gateway) []string {
	var notes []string
	for _, e := range missing(g, m.Catalog()) {
		notes = append(notes, fmt.Sprintf("%s %q is no longer in the configuration; jobs are refused or the next "+
			"start fails until it is back or the gateway is changed", e.Field, e.Value))
	}
	if g.Declared {
		notes = append(notes, "declared in the configuration of Caddy; its settings can be changed only there")
	}
	notes = append(notes, m.declaredNotes(g)...)
	r := m.resolve(g)
	notes = append(notes, r.wanted.Typos()...)
	now, master := r.inForce, r.inForce.Master
	if g.Spec.Queue != "" && !now.YARN() && !now.Kubernetes() {
		notes = append(notes, fmt.Sprintf("queue %q is set in every job but has no effect: %s has no queues",
			g.Spec.Queue, master))
	}
	if len(g.Spec.Directories) > 0 && now.DriversAway() {
		notes = append(notes, fmt.Sprintf("directories are mounted on the Livy server only: in deploy mode cluster "+
			"drivers run on the machines of %s, which must mount them themselves", master))
	}
	if g.Spec.MountToExecutor && (now.YARN() || strings.HasPrefix(master, "spark://")) {
		notes = append(notes, fmt.Sprintf("mountToExecutor has no effect on %s: its machines must mount the "+
			"directories themselves", master))
	}
	if since := g.Status.UnresponsiveSince; !since.IsZero() {
		notes = append(notes, m.unresponsiveNote(since))
	}
	unseen := g.Status.Unseen
	if unseen == "" {
		unseen = now.CannotSee()
	}
	if unseen != "" {
		notes = append(notes, "sessions and batches are not followed and auto-stop is off: "+unseen)
	}
	if m.awaitsEventLogs(g) {
		notes = append(notes, "jobs write no event logs for the history server until the next start: "+
			"the container does not have the directory yet")
	}
	if off := g.Status.FusionOff; off != "" {
		notes = append(notes, off)
	}
	if f := g.Status.ReplaceFailure; f != nil {
		notes = append(notes, fmt.Sprintf("the Livy server was not replaced at %s and serves on: %s",
			f.Time.Format(time.RFC3339), gateway.MaskSecrets(f.Reason)))
	}
	return notes
}

// maxClusterFile bounds one file of a cluster's client configuration.
const maxClusterFile = 1 << 20

// clusterFiles reads a cluster's client configuration.
func clusterFiles(c gateway.Cluster) (map[string]string, error) {
	if c.ConfDir == "" {
		return nil, nil
	}
	entries, err := os.ReadDir(c.ConfDir)
	if err != nil {
		return nil, gateway.Wrap(gateway.KindInvalid, "reading the configuration of cluster "+c.Name, err)
	}
	files := make(map[string]string)
	for _, e := range entries {
		info, err := os.Stat(filepath.Join(c.ConfDir, e.Name()))
		if err != nil {
			// Half a configuration would make jobs fail later, or run with the wrong settings.
			return nil, gateway.Wrap(gateway.KindInvalid, "reading the configuration of cluster "+c.Name, err)
		}
		if !info.Mode().IsRegular() {
			continue
		}
		if info.Size() > maxClusterFile {
			return nil, gateway.Errorf(gateway.KindInvalid,
				"%s in the configuration of cluster %s is larger than 1 MiB", e.Name(), c.Name)
		}
		text, err := os.ReadFile(filepath.Join(c.ConfDir, e.Name()))
		if err != nil {
			return nil, gateway.Wrap(gateway.KindInvalid, "reading the configuration of cluster "+c.Name, err)
		}
		files[e.Name()] = string(text)
	}
	return files, nil
}
