package control

import (
	"os"
	"path/filepath"
	"slices"

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
