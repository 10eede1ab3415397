package gateway

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"
)

// Validate checks the catalog. It does not access files.
func (c *Catalog) Validate() error {
	for _, n := range c.CPUs {
		if n < 1 || n > 1024 {
			return Invalid("cpu", fmt.Sprint(n), "must be from 1 to 1024 cores")
		}
	}
	for _, m := range c.Memories {
		if _, err := parseGi(m); err != nil {
			return Invalid("memory", m, err.Error())
		}
	}
	for _, q := range c.Queues {
		if err := ValidateQueue("queue", q); err != nil {
			return err
		}
	}
	for _, list := range []struct {
		what  string
		names []string
	}{
		{"engine", names(c.Engines)},
		{"cluster", names(c.Clusters)},
		{"environment", names(c.Environments)},
		{"network", names(c.Networks)},
		{"directory", names(c.Directories)},
		{"fusion", names(c.Fusion)},
	} {
		if err := ValidateNames(list.what, list.names); err != nil {
			return err
		}
	}
	for _, check := range []func() error{
		c.validateClusters, c.validateEnvironments, c.validateNetworks,
		c.validateDirectories,
	} {
		if err := check(); err != nil {
			return err
		}
	}
	return nil
}

var entryRegexp = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,62}$`)

// ValidateNames checks names of things that a configuration defines: their form, and that each is
// defined once.
func ValidateNames(what string, names []string) error {
	seen := make(map[string]bool)
	for _, name := range names {
		if !entryRegexp.MatchString(name) {
			return Invalid(what, name,
				"must have a name of 1 to 63 letters, digits and _ . -, beginning with a letter or digit")
		}
		if seen[name] {
			return Invalid(what, name, "is defined twice")
		}
		seen[name] = true
	}
	return nil
}

var masterRegexp = regexp.MustCompile(`^(local(\[(\*|\d+)(, ?\d+)?\])?|yarn|spark://\S+|k8s://\S+)$`)

func (c *Catalog) validateClusters() error {
	for _, cl := range c.Clusters {
		field := "cluster " + cl.Name
		if !masterRegexp.MatchString(cl.Master) {
			return Invalid(field+": master", cl.Master,
				"must be local, local[N], yarn, spark://HOST:PORT or k8s://URL")
		}
		switch cl.DeployMode {
		case "", "client", "cluster":
		default:
			return Invalid(field+": deploy_mode", cl.DeployMode, "must be client or cluster")
		}
		if err := optional(cl.ConfDir, func() error { return absolute(field+": conf_dir", cl.ConfDir) }); err != nil {
			return err
		}
		if err := cl.validateKubernetes(field); err != nil {
			return err
		}
	}
	return nil
}

var hostName = regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.:-]{0,251}[A-Za-z0-9])?$`)

// validateKubernetes checks the options for clusters of Kubernetes.
func (c Cluster) validateKubernetes(field string) error {
	for option, value := range map[string]string{"driver_host": c.DriverHost, "kubeconfig": c.Kubeconfig} {
		if value != "" && !c.Kubernetes() {
			return Invalid(field+": "+option, value, "is for clusters of Kubernetes, whose master begins with k8s://")
		}
	}
	if c.DriverHost != "" && !hostName.MatchString(c.DriverHost) {
		return Invalid(field+": driver_host", c.DriverHost, "must be a host name or an IP address")
	}
	return optional(c.Kubeconfig, func() error { return absolute(field+": kubeconfig", c.Kubeconfig) })
}

func (c *Catalog) validateEnvironments() error {
	for _, e := range c.Environments {
		field := "environment " + e.Name
		if err := optional(e.Dir, func() error { return absolute(field+": dir", e.Dir) }); err != nil {
			return err
		}
		for _, uri := range e.Archives {
			if _, name, named := strings.Cut(uri,
				"#"); named && (name == "." || name == ".." || name == "" || strings.ContainsAny(name, "/#")) {
				return Invalid(field+": archives", uri, "must have a directory name after the #")
			}
		}
		for _, list := range [][]string{e.PyFiles, e.Jars, e.Files, e.Archives} {
			for _, uri := range list {
				if e.Dir == "" && !hasScheme(uri) {
					return Invalid(field, uri, "must be a URI, or set dir for file names")
				}
				if !hasScheme(uri) && !within(e.Dir, path.Join(e.Dir, uri)) {
					return Invalid(field, uri, "must be a file below "+e.Dir)
				}
			}
		}
	}
	return nil
}

func hasScheme(uri string) bool {
	scheme, _, ok := strings.Cut(uri, ":")
	return ok && !strings.ContainsAny(scheme, "/#")
}

func within(dir, name string) bool { return strings.HasPrefix(name, strings.TrimSuffix(dir, "/")+"/") }

// Resolve returns URIs in which file names in the environment's Dir are replaced by full URIs.
func (e Environment) Resolve(uris []string) []string {
	out := make([]string, len(uris))
	for i, uri := range uris {
		if hasScheme(uri) {
			out[i] = uri
		} else {
			out[i] = "file:" + path.Join(e.Dir, uri)
		}
	}
	return out
}

// PackedIn lists the archives that are files in the environment's Dir, with the path of each
// and the name of the directory that it is unpacked into.
func (e Environment) PackedIn() (list []struct{ Path, Name string }) {
	for _, uri := range e.Resolve(e.Archives) {
		file, name, named := strings.Cut(uri, "#")
		file, ok := strings.CutPrefix(file, "file:")
		if !ok || e.Dir == "" || !within(e.Dir, path.Clean(file)) {
			continue
		}
		if !named {
			name = path.Base(file)
		}
		list = append(list, struct{ Path, Name string }{path.Clean(file), name})
	}
	return list
}

func (c *Catalog) validateNetworks() error {
	for _, n := range c.Networks {
		if n.DockerNetwork == "host" || strings.HasPrefix(n.DockerNetwork, "container:") {
			return Invalid("network "+n.Name+": docker_network", n.DockerNetwork,
				"must not share the network of the host or of a container: the gateway has to publish a port")
		}
	}
	return nil
}

// taken lists the directories of the container that must not be mounted over.
var taken = []string{
	"/bin", "/boot", "/dev", "/etc", "/home/livy", "/lib", "/lib64", "/opt/livy", "/opt/spark",
	"/opt/fusion", "/proc", "/run", "/sbin", "/sys", "/tmp", "/usr", "/var",
}

var exportRegexp = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9.-]*:/[^,]*$`)

func (c *Catalog) validateDirectories() error {
	for _, d := range c.Directories {
		field := "directory " + d.Name
		if !slices.Contains(directoryTypes, d.Type) {
			return Invalid(field+": type", d.Type, "must be one of "+strings.Join(directoryTypes, ", "))
		}
		if err := absolute(field+": path", d.Path); err != nil {
			return err
		}
		if d.Path == "/" || slices.ContainsFunc(taken, func(t string) bool { return overlap(d.Path, t) }) {
			return Invalid(field+": path", d.Path,
				"must be a path that the engine does not use itself, e.g. /mnt/"+d.Name)
		}
		if err := c.validateWarehouse(field, d); err != nil {
			return err
		}
		if d.Type == DirectoryLocal || d.Type == DirectoryOSS {
			if err := absolute(field+": source", d.Source); err != nil {
				return err
			}
			if d.Options != "" {
				return Invalid(field+": options", d.Options, "can be set for types nas and cpfs only")
			}
			continue
		}
		if !exportRegexp.MatchString(d.Source) {
			return Invalid(field+": source", d.Source, "must be HOST:/EXPORT")
		}
		if d.VPC == "" {
			return Invalid(field+": vpc", "", "must name the VPC of the mount target")
		}
	}
	return nil
}

func absolute(field, dir string) error {
	if !path.IsAbs(dir) || path.Clean(dir) != dir || strings.ContainsAny(dir, ":,\x00\n") {
		return Invalid(field, dir, "must be a clean absolute path without colons and commas")
	}
	return nil
}
