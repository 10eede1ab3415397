package control

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/livygateway/livygateway/internal/gateway"
)

// Catalog is what the configuration in force offers to gateways.
func (m *Manager) Catalog() *gateway.Catalog { return &m.settings.Load().Catalog }

// UsedBy lists the gateways, as "workspace/name", whose spec satisfies uses.
func (m *Manager) UsedBy(uses func(*gateway.Spec) bool) []string {
	var refs []string
	for _, e := range m.view.all() {
		now := e.Gateway.InForce()
		if uses(&e.Gateway.Spec) || uses(&now) {
			refs = append(refs, e.Gateway.Ref())
		}
	}
	return refs
}

// CheckCatalog refuses a catalog that lacks what gateways use which the one in
// force has. Before the gateways have been read there is nothing to compare. Those
// that the configuration declares itself are not asked: declared is what it says of
// them, and what it says no more is stopped.
func (m *Manager) CheckCatalog(next *gateway.Catalog, declared []Declaration) error {
	now := m.Catalog()
	for _, e := range m.view.all() {
		here := func(d Declaration) bool { return d.ref() == e.Gateway.Ref() }
		if e.Gateway.Declared || slices.ContainsFunc(declared, here) {
			continue
		}
		had := missing(e.Gateway, now)
		for _, lost := range missing(e.Gateway, next) {
			same := func(h *gateway.Error) bool { return h.Field == lost.Field && h.Value == lost.Value }
			if !slices.ContainsFunc(had, same) {
				return gateway.Errorf(gateway.KindConflict, "%s %q is used by gateway %s: change or delete the gateway first",
					lost.Field, lost.Value, e.Gateway.Ref())
			}
		}
	}
	return nil
}

// missing lists what a catalog lacks of what a gateway names, and of what the
// server that runs was started with.
func missing(g *gateway.Gateway, c *gateway.Catalog) []*gateway.Error {
	list := g.Spec.Missing(c)
	now := g.InForce()
	for _, e := range now.Missing(c) {
		if e.Field == "engine" && g.Spec.Engine == "" {
			continue // the operator chooses, and the server that runs needs it no more
		}
		if !slices.ContainsFunc(list, func(h *gateway.Error) bool { return h.Field == e.Field && h.Value == e.Value }) {
			list = append(list, e)
		}
	}
	return list
}

// Notes says what a person should know of a gateway besides its state: what it
// names and is no more, and what has no effect.
func (m *Manager) Notes(g *gateway.Gateway) []string {
	var notes []string
	for _, e := range missing(g, m.Catalog()) {
		notes = append(notes, fmt.Sprintf("%s %q is no longer in the configuration; jobs are refused or the next start fails until it is back or the gateway is changed", e.Field, e.Value))
	}
	if g.Declared {
		notes = append(notes, "declared in the configuration of Caddy, which alone can change its settings")
	}
	notes = append(notes, m.declaredNotes(g)...)
	r := m.resolve(g)
	notes = append(notes, r.wanted.Typos()...)
	now, master := r.inForce, r.inForce.Master
	if g.Spec.Queue != "" && !now.YARN() && !now.Kubernetes() {
		notes = append(notes, fmt.Sprintf("queue %q is written into every job and has no effect there: %s has no queues", g.Spec.Queue, master))
	}
	if len(g.Spec.Directories) > 0 && now.DriversAway() {
		notes = append(notes, fmt.Sprintf("directories are mounted beside the Livy server only: in deploy mode cluster drivers run on the machines of %s, which must mount them themselves", master))
	}
	if g.Spec.MountToExecutor && (now.YARN() || strings.HasPrefix(master, "spark://")) {
		notes = append(notes, fmt.Sprintf("mountToExecutor has no effect on %s: its machines must mount the directories themselves", master))
	}
	unseen := g.Status.Unseen
	if unseen == "" {
		unseen = now.CannotSee()
	}
	if unseen != "" {
		notes = append(notes, "the states of sessions and batches are not followed, and there is no automatic stop: "+unseen)
	}
	if m.awaitsEventLogs(g) {
		notes = append(notes, "jobs write no events for the history server before the next start: the container does not have its directory yet")
	}
	if off := g.Status.FusionOff; off != "" {
		notes = append(notes, off)
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
			// Jobs that go by half of a configuration would not run as is meant.
			return nil, gateway.Wrap(gateway.KindInvalid, "reading the configuration of cluster "+c.Name, err)
		}
		if !info.Mode().IsRegular() {
			continue
		}
		if info.Size() > maxClusterFile {
			return nil, gateway.Errorf(gateway.KindInvalid, "%s in the configuration of cluster %s is larger than 1 MiB", e.Name(), c.Name)
		}
		text, err := os.ReadFile(filepath.Join(c.ConfDir, e.Name()))
		if err != nil {
			return nil, gateway.Wrap(gateway.KindInvalid, "reading the configuration of cluster "+c.Name, err)
		}
		files[e.Name()] = string(text)
	}
	return files, nil
}
