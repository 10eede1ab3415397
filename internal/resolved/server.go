package resolved

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/policies"
	"github.com/livygateway/livygateway/upstream"
)

// Files returns the configuration files of the Livy server, by name.
func (r *Gateway) Files(f Facts) (map[string]string, error) {
	policy, err := r.Policy(f, "", "")
	if err != nil {
		return nil, err
	}
	if err := r.checkServer(); err != nil {
		return nil, err
	}
	// Livy reads files only from configured directories: those that are mounted, and that
	// of the environment.
	var dirs []string
	if r.Environment != nil && r.Environment.Dir != "" {
		dirs = append(dirs, r.Environment.Dir)
	}
	return upstream.RenderConf(upstream.ConfInput{
		Conf: r.conf, Master: r.Master, DeployMode: r.Cluster.DeployMode, DriverHost: r.Cluster.DriverHost, Alone: r.alone(), Hive: r.Spec.Warehouse != "",
		LocalDirs: r.localDirs(dirs...), Forced: policy.Forces, Superuser: r.Login.User,
	}), nil
}

// Launch returns the parameters to start a Livy server with, as far as settings determine them.
func (r *Gateway) Launch(f Facts) (upstream.Launch, error) {
	files, err := r.Files(f)
	if err != nil {
		return upstream.Launch{}, err
	}
	l := upstream.Launch{
		Name: r.Spec.Name, CPU: r.Spec.CPU, Memory: r.Memory, Engine: r.Engine, Master: r.Master, Files: files,
		Network: r.Network.DockerNetwork, Directories: slices.Clone(r.Directories), Warehouse: r.ownWarehouse(f.ID),
	}
	e := r.Environment
	if e == nil {
		return l, nil
	}
	if e.Dir != "" {
		l.Directories = append(l.Directories, gateway.Directory{
			Name: "environment " + e.Name, Type: gateway.DirectoryLocal, Source: e.Dir, Path: e.Dir, ReadOnly: true,
		})
	}
	if r.DeployMode != "cluster" { // drivers inherit the server's variables and directory
		l.Env = e.Env
		// Spark unpacks archives only for executors and on clusters.
		for _, a := range e.PackedIn() {
			l.Archives = append(l.Archives, upstream.Archive{Name: a.Name, Path: a.Path})
		}
	}
	return l, nil
}

// leastDriver is the memory to leave for a driver.
const leastDriver = 1 << 30

// checkOffHeap checks a profile's off-heap memory: drivers next to Livy share the gateway's
// memory with it.
func (r *Gateway) checkOffHeap() error {
	if r.Fusion == nil || !r.Local() {
		return nil
	}
	const key = "spark.memory.offHeap.size"
	size := r.Fusion.Conf[key]
	if size == "" {
		return nil
	}
	bytes, ok := policies.SizeBytes(size)
	if !ok {
		return gateway.Invalid("fusion "+r.Fusion.Name+": "+key, size, "must be a size such as 1g")
	}
	servers := upstream.LivyHeap(r.Memory)
	if r.Warehouse.Name != "" {
		servers += upstream.MetastoreMemory
	}
	if bytes+servers+leastDriver > r.Memory {
		return gateway.Invalid("fusion", r.Fusion.Name, fmt.Sprintf(
			"takes %s off the heap; with Livy's own memory and 1 GiB for a driver that exceeds the gateway's %s", size, r.Spec.Memory))
	}
	return nil
}

// Fingerprints returns fingerprints of the settings that take effect only at a start, by
// field, and of the catalog entries that they name, by field and name. They are stored while
// the Livy server runs; see Pending.
func (r *Gateway) Fingerprints() map[string]string { return maps.Clone(r.fingerprints) }

func marks(s *gateway.Spec, entries map[string]any) map[string]string {
	values := s.LaunchSettings()
	maps.Copy(values, entries)
	out := make(map[string]string, len(values))
	for key, value := range values {
		out[key] = mark(value)
	}
	return out
}

func mark(value any) string {
	text, _ := json.Marshal(value)
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:6])
}

// unset is the fingerprint of a text that nobody set.
var unset = mark("")

// Pending lists, in order, the changes that need a restart of a server that was started with
// the given fingerprints. A changed setting is listed by its field, e.g. "memory"; a changed
// catalog entry by field and name, e.g. "environment analytics". Without fingerprints there
// is no such server, and nothing is pending.
func (r *Gateway) Pending(launched map[string]string) []string {
	if launched == nil {
		return nil
	}
	var pending []string
	for _, key := range slices.Sorted(maps.Keys(r.fingerprints)) {
		was, known := launched[key]
		// A newly named entry already shows as a change of its field. The server may be older
		// than a setting that nobody uses.
		if was != r.fingerprints[key] && (known || !strings.Contains(key, " ") && r.fingerprints[key] != unset) {
			pending = append(pending, key)
		}
	}
	return pending
}
