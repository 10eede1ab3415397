package gateway

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Spec is everything that a person sets when creating a gateway.
type Spec struct {
	// Name of the gateway: 1 to 63 lowercase letters, digits and hyphens,
	// beginning and ending with a letter or digit. Unique in its workspace.
	Name string `json:"name"`
	// CPU is how many cores the gateway's Livy server and its local drivers may
	// use: 1, 2 or 4. Default 1.
	CPU int `json:"cpu"`
	// Memory is how much memory they may use: "4Gi", "8Gi" or "16Gi". Default "4Gi".
	Memory string `json:"memory"`
	// Engine names an engine of the operator's catalog: a Livy version and a
	// Spark version that run together. Default: the catalog's first engine.
	Engine string `json:"engine"`
	// Queue is forced into every job: spark.yarn.queue, or what the cluster
	// manager has in its place. Default: none is forced.
	Queue string `json:"queue,omitempty"`
	// Identity is the user that jobs run as (Livy's proxyUser); whatever a
	// client asks for is overridden. It takes effect when livy.conf says
	// livy.impersonation.enabled = true. Default: the Livy server's own user.
	Identity string `json:"identity,omitempty"`
	// Public says whether the gateway also answers on public endpoints.
	// Default false: internal endpoints only.
	Public bool `json:"public,omitempty"`
	// Isolated says whether a token sees, lists and deletes only the sessions and
	// batches that it created. Default false: all of the gateway's.
	Isolated bool `json:"isolated,omitempty"`
	// SparkDefaults is the text of spark-defaults.conf: defaults for Spark jobs
	// that a client may override unless they are blacklisted.
	SparkDefaults string `json:"sparkDefaults,omitempty"`
	// LivyConf is the text of livy.conf.
	LivyConf string `json:"livyConf,omitempty"`
	// LivyClientConf is the text of livy-client.conf.
	LivyClientConf string `json:"livyClientConf,omitempty"`
	// SparkBlacklist is the text of spark-blacklist.conf: one Spark parameter a
	// line. A client's value for such a parameter is ignored.
	SparkBlacklist string `json:"sparkBlacklist,omitempty"`
	// PolicyRules is the text of policy.rules: caps, allowed values and required
	// keys, one a line, e.g. "max spark.executor.memory 8g lower".
	PolicyRules string `json:"policyRules,omitempty"`
	// DisabledRoutes are names of Livy's routes that this gateway does not
	// serve; a trailing * takes all that begin so, e.g. "session.job.*".
	DisabledRoutes []string `json:"disabledRoutes,omitempty"`
}

// NamePattern is the rule for gateway and workspace names.
const NamePattern = `^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$`

const nameRule = "must be 1 to 63 lowercase letters, digits and hyphens, beginning and ending with a letter or digit"

var (
	nameRegexp  = regexp.MustCompile(NamePattern)
	userRegexp  = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_.@-]{0,127}$`)
	queueRegexp = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)
)

// ValidateName checks a gateway name.
func ValidateName(field, name string) error {
	if !nameRegexp.MatchString(name) {
		return Invalid(field, name, nameRule)
	}
	return nil
}

// Allowed values of a gateway's resources, as in the managed product.
var (
	AllowedCPU    = []int{1, 2, 4}
	AllowedMemory = []string{"4Gi", "8Gi", "16Gi"}
)

// WithDefaults fills in what was left out.
func (s Spec) WithDefaults(c *Catalog) Spec {
	if s.CPU == 0 {
		s.CPU = AllowedCPU[0]
	}
	if s.Memory == "" {
		s.Memory = AllowedMemory[0]
	}
	if s.Engine == "" && len(c.Engines) > 0 {
		s.Engine = c.Engines[0].Name
	}
	return s
}

// Validate checks every field against its rule and the catalog. The conf texts
// are checked by the rooms that understand them (see control).
func (s *Spec) Validate(c *Catalog) error {
	if err := ValidateName("name", s.Name); err != nil {
		return err
	}
	if !slices.Contains(AllowedCPU, s.CPU) {
		return Invalid("cpu", fmt.Sprint(s.CPU), "must be one of 1, 2, 4")
	}
	if !slices.Contains(AllowedMemory, s.Memory) {
		return Invalid("memory", s.Memory, "must be one of "+strings.Join(AllowedMemory, ", "))
	}
	if _, ok := c.Engine(s.Engine); !ok {
		return Invalid("engine", s.Engine, "must be one of the configured engines: "+strings.Join(c.EngineNames(), ", "))
	}
	if s.Queue != "" && !queueRegexp.MatchString(s.Queue) {
		return Invalid("queue", s.Queue, "must be letters, digits, dots, hyphens and underscores, at most 128")
	}
	if s.Queue != "" && len(c.Queues) > 0 && !slices.Contains(c.Queues, s.Queue) {
		return Invalid("queue", s.Queue, "must be one of the configured queues: "+strings.Join(c.Queues, ", "))
	}
	if s.Identity != "" && !userRegexp.MatchString(s.Identity) {
		return Invalid("identity", s.Identity, "must be a user name of letters, digits and _.@-, beginning with a letter or underscore")
	}
	return nil
}

// MemoryBytes returns Memory in bytes. The spec must be valid.
func (s *Spec) MemoryBytes() int64 {
	var gi int64
	_, _ = fmt.Sscanf(s.Memory, "%dGi", &gi)
	return gi << 30
}
