package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"reflect"
	"slices"
	"strings"
)

// launchSettings are the settings that take effect only when a Livy server
// starts. All others hold for the next request.
func (s *Spec) launchSettings() map[string]any {
	return map[string]any{
		"cpu": s.CPU, "memory": s.Memory, "engine": s.Engine, "livyVersion": s.LivyVersion,
		"fusion": s.Fusion, "cluster": s.Cluster, "network": s.Network, "environment": s.Environment,
		"directories": append([]string{}, s.Directories...), "sparkDefaults": s.SparkDefaults, "livyConf": s.LivyConf,
		"livyClientConf": s.LivyClientConf, "sparkBlacklist": s.SparkBlacklist,
	}
}

// Change puts new settings in place. What takes effect only at a start waits for
// the next one: until then InForce has what the running server was started with.
func (g *Gateway) Change(s Spec) {
	if g.Status.Launched != nil && g.Status.StartedWith == nil {
		was := g.Spec
		g.Status.StartedWith = &was
	}
	g.Spec = s
	if was := g.Status.StartedWith; was != nil && reflect.DeepEqual(was.launchSettings(), s.launchSettings()) {
		g.Status.StartedWith = nil
	}
}

// InForce are the settings that hold for requests. They are the gateway's, but for
// those that wait for the next start of its Livy server: files that are not mounted
// yet would be of no use to jobs, and passwords must not go where the server that
// runs would send them. A blacklist holds at once.
func (g *Gateway) InForce() Spec {
	s := g.Spec
	if was := g.Status.StartedWith; was != nil {
		s.CPU, s.Memory, s.Engine, s.LivyVersion = was.CPU, was.Memory, was.Engine, was.LivyVersion
		s.Fusion, s.Cluster, s.Network, s.Environment, s.Directories = was.Fusion, was.Cluster, was.Network, was.Environment, was.Directories
		s.SparkDefaults, s.LivyConf, s.LivyClientConf = was.SparkDefaults, was.LivyConf, was.LivyClientConf
	}
	return s
}

// entries are what the spec names in the catalog and a Livy server is started
// with, as the catalog has it now, by field and name.
func (s *Spec) entries(c *Catalog) map[string]any {
	all := make(map[string]any)
	add := func(field, name string, entry any, ok bool) {
		if ok {
			all[field+" "+name] = entry
		} else if name != "" {
			all[field+" "+name] = nil // no longer there
		}
	}
	e, ok := c.Engine(s.Engine)
	add("engine", s.Engine, e, ok)
	f, ok := c.FusionProfile(s.Fusion)
	add("fusion", s.Fusion, f, ok)
	cl, ok := c.Cluster(s.Cluster)
	add("cluster", s.Cluster, cl, ok)
	n, ok := c.Network(s.Network)
	add("network", s.Network, n, ok)
	env, ok := c.Environment(s.Environment)
	add("environment", s.Environment, env, ok)
	for _, name := range s.Directories {
		d, ok := c.Directory(name)
		add("directories", name, d, ok)
	}
	return all
}

// LaunchMarks are short marks of what takes effect only at a start: settings, by
// field, and what they name in the catalog, by field and name.
func (s *Spec) LaunchMarks(c *Catalog) map[string]string {
	values := s.launchSettings()
	maps.Copy(values, s.entries(c))
	marks := make(map[string]string, len(values))
	for key, value := range values {
		text, _ := json.Marshal(value)
		sum := sha256.Sum256(text)
		marks[key] = hex.EncodeToString(sum[:6])
	}
	return marks
}

// Pending lists, in order, where a server that was started with the given marks
// differs from the spec and the catalog: it must be restarted for these. A changed
// setting is its field, e.g. "memory"; a changed entry of the catalog is field and
// name, e.g. "environment analytics". Without marks there is no such server, and
// nothing is pending.
func (s *Spec) Pending(launched map[string]string, c *Catalog) []string {
	if launched == nil {
		return nil
	}
	var pending []string
	now := s.LaunchMarks(c)
	for _, key := range slices.Sorted(maps.Keys(now)) {
		was, known := launched[key]
		// An entry that is named only now shows in its field.
		if was != now[key] && (known || !strings.Contains(key, " ")) {
			pending = append(pending, key)
		}
	}
	return pending
}
