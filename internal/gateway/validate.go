package gateway

import (
	"fmt"
	"slices"
	"strings"

	"github.com/livygateway/livygateway/internal/livy"
)

// Validate checks every field against its rule and the catalog. The texts of configuration
// files are checked where they are used (see control).
func (s *Spec) Validate(c *Catalog) error {
	for _, check := range []func(*Catalog) error{
		s.validateResources, s.validateEngine, s.validateReferences, s.validateDirectories, s.validateWarehouse, s.validateServers,
		s.validateLife, s.validateWarm, s.validatePolicy, s.validateAudit,
	} {
		if err := check(c); err != nil {
			return err
		}
	}
	return nil
}

func (s *Spec) validateResources(c *Catalog) error {
	if err := ValidateName("name", s.Name); err != nil {
		return err
	}
	if cpus := c.AllowedCPUs(); !slices.Contains(cpus, s.CPU) {
		return Invalid("cpu", fmt.Sprint(s.CPU),
			"must be one of "+strings.Trim(strings.ReplaceAll(fmt.Sprint(cpus), " ", ", "), "[]"))
	}
	if memories := c.AllowedMemories(); !slices.Contains(memories, s.Memory) {
		return Invalid("memory", s.Memory, "must be one of "+strings.Join(memories, ", "))
	}
	return nil
}

func (s *Spec) validateEngine(c *Catalog) error {
	e, ok := c.Engine(s.Engine)
	if !ok {
		return notOffered("engine", s.Engine, "engines", names(c.Engines))
	}
	if s.LivyVersion != e.LivyVersion() {
		return Invalid("livyVersion", s.LivyVersion,
			fmt.Sprintf("must be %s, which engine %s has", e.LivyVersion(), e.Name))
	}
	return nil
}

// validateReferences checks the names of catalog entries.
func (s *Spec) validateReferences(c *Catalog) error {
	if err := optional(s.Queue, func() error { return ValidateQueue("queue", s.Queue) }); err != nil {
		return err
	}
	if s.Queue != "" && len(c.Queues) > 0 && !slices.Contains(c.Queues, s.Queue) {
		return notOffered("queue", s.Queue, "queues", c.Queues)
	}
	if err := optional(s.Identity, func() error { return ValidateIdentity("identity", s.Identity) }); err != nil {
		return err
	}
	if missing := s.Missing(c); len(missing) > 0 {
		return missing[0]
	}
	if f, ok := c.FusionProfile(s.Fusion); ok && len(f.Spark) > 0 {
		e, _ := c.Engine(s.Engine)
		if e.Spark != "" && !slices.ContainsFunc(f.Spark,
			func(series string) bool { return strings.HasPrefix(e.Spark+".", series+".") }) {
			return Invalid("fusion", s.Fusion,
				fmt.Sprintf("is for Spark %s; engine %s has Spark %s", strings.Join(f.Spark, ", "), e.Name,
					e.Spark))
		}
	}
	return nil
}

func optional(value string, check func() error) error {
	if value == "" {
		return nil
	}
	return check()
}

// Missing returns an error for each catalog entry that the spec names and that does not
// exist. Besides Validate it serves existing gateways after a change of the catalog.
func (s *Spec) Missing(c *Catalog) []*Error {
	var missing []*Error
	look := func(field, name, plural string, offered []string) {
		if name != "" && !slices.Contains(offered, name) {
			missing = append(missing, notOffered(field, name, plural, offered))
		}
	}
	look("engine", s.Engine, "engines", names(c.Engines))
	look("cluster", s.Cluster, "clusters", names(c.Clusters))
	look("environment", s.Environment, "environments", names(c.Environments))
	look("network", s.Network, "networks", names(c.Networks))
	look("fusion", s.Fusion, "fusion profiles", names(c.Fusion))
	for _, d := range s.Directories {
		look("directories", d, "directories", names(c.mounted()))
	}
	if !s.metastoreURL() {
		look("warehouse", s.Warehouse, "directories with the option warehouse", names(c.warehouses()))
	}
	return missing
}

func notOffered(field, value, plural string, offered []string) *Error {
	if len(offered) == 0 {
		return Invalid(field, value, "must be one of the configured "+plural+", but none are configured")
	}
	return Invalid(field, value, "must be one of the configured "+plural+": "+strings.Join(offered, ", "))
}

// validateDirectories checks which directories can be combined; all are in the catalog.
func (s *Spec) validateDirectories(c *Catalog) error {
	const field = "directories"
	if s.MountToExecutor && len(s.Directories) == 0 {
		return Invalid("mountToExecutor", "true", "needs directories to mount")
	}
	var chosen []Directory
	for _, name := range s.Directories {
		d, _ := c.Directory(name)
		for _, other := range chosen {
			switch {
			case other.Name == d.Name:
				return Invalid(field, name, "is named twice")
			case (d.Type == DirectoryCPFS) != (other.Type == DirectoryCPFS):
				return Invalid(field, name,
					"cannot be combined with "+other.Name+": a directory of type cpfs cannot be combined with other types")
			case overlap(d.Path, other.Path):
				return Invalid(field, name,
					fmt.Sprintf("is mounted at %s, which overlaps with %s at %s", d.Path, other.Name, other.Path))
			}
		}
		if d.Type == DirectoryNAS || d.Type == DirectoryCPFS {
			if s.Network == "" {
				return Invalid(field, name, "is of type "+d.Type+" and needs a network")
			}
			if n, _ := c.Network(s.Network); n.VPC != d.VPC {
				return Invalid(field, name,
					fmt.Sprintf("is in VPC %q and cannot be reached over network %s, which is in VPC %q", d.VPC,
						n.Name, n.VPC))
			}
		}
		chosen = append(chosen, d)
	}
	return nil
}

func overlap(a, b string) bool {
	return strings.HasPrefix(a+"/", b+"/") || strings.HasPrefix(b+"/", a+"/")
}

// validateServers checks the number of servers, and what several servers cannot share.
func (s *Spec) validateServers(c *Catalog) error {
	const field = "servers"
	value := fmt.Sprint(s.Servers)
	if s.Servers < 0 || s.Servers > MaxServers {
		return Invalid(field, value, fmt.Sprintf("must be from 1 to %d", MaxServers))
	}
	if s.Servers < 2 {
		return nil
	}
	if s.Warehouse != "" && s.Metastore() == "" {
		return Invalid(field, value, "must be 1 with warehouse "+s.Warehouse+
			", whose tables can be open in one Livy server only; use a metastore of your own (thrift://HOST:PORT)")
	}
	e, _ := c.Engine(s.Engine)
	if e.URL == "" {
		return nil
	}
	if n := 1 + len(e.URLs); s.Servers > n {
		return Invalid(field, value, fmt.Sprintf("must be at most %d, the number of URLs of engine %s", n, e.Name))
	}
	for n := 1; n <= 1+len(e.URLs); n++ {
		server, err := e.At(n).LivyServer()
		if err != nil {
			return err
		}
		if livy.IsURL(server.Address()) {
			return Invalid(field, value, "must be 1 with engine "+e.Name+
				": each of several Livy servers must be at http://HOST:PORT, without a path and without a login of the gateway")
		}
	}
	return nil
}

func (s *Spec) validateLife(*Catalog) error {
	if n := s.AutoStop.Minutes; s.AutoStop.Enabled && (n < 1 || n > maxIdleMinutes) || n < 0 {
		return Invalid("autoStop.minutes", fmt.Sprint(n), fmt.Sprintf("must be from 1 to %d", maxIdleMinutes))
	}
	if n := s.AutoStart.Wait(); n < 0 || n > maxWaitSeconds {
		return Invalid("autoStart.waitSeconds", fmt.Sprint(n),
			fmt.Sprintf("must be from 0 to %d", maxWaitSeconds))
	}
	return nil
}

// The values of Spec.Policy.
const (
	PolicyOpen   = "open"
	PolicyStrict = "strict"
)

func (s *Spec) validatePolicy(*Catalog) error {
	switch s.Policy {
	case "", PolicyOpen, PolicyStrict:
		return nil
	}
	return Invalid("policy", s.Policy, "must be "+PolicyOpen+" or "+PolicyStrict)
}

// The values of Spec.StatementAudit.
const (
	AuditOff  = ""
	AuditHash = "hash"
	AuditCode = "code"
)

func (s *Spec) validateAudit(*Catalog) error {
	switch s.StatementAudit {
	case AuditOff, AuditHash, AuditCode:
		return nil
	}
	return Invalid("statementAudit", s.StatementAudit, `must be empty, "hash" or "code"`)
}
