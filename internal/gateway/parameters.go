package gateway

import (
	"cmp"
	"reflect"
	"strings"
	"unicode"
)

// Parameter is one setting of a gateway besides its name. The table of parameters determines
// the options of a gateway in the Caddyfile, the flags and output of the command line, and
// which changes need a restart.
type Parameter struct {
	// Field is its name in JSON, e.g. "livyConf".
	Field string
	// Option is its name in the Caddyfile, Flag its name on the command line. Default:
	// Field in the spelling used there.
	Option, Flag string
	// Label is the label of its value in output; empty if it is not shown on its own.
	Label string
	// Usage is the help text of the flag.
	Usage string
	// File is the name of the file whose text the setting is, if any.
	File string
	// AtStart is true if it takes effect only when a Livy server starts; all others take
	// effect from the next request on.
	AtStart bool
	// Now is true if the gateway itself applies a setting with AtStart at once.
	Now bool

	index int // of the field in Spec
}

// In returns a pointer to the setting in a spec.
func (p *Parameter) In(s *Spec) any { return p.in(s).Addr().Interface() }

func (p *Parameter) in(s *Spec) reflect.Value { return reflect.ValueOf(s).Elem().Field(p.index) }

// Parameters returns all settings of a gateway besides its name, in display order.
func Parameters() []Parameter { return parameters }

var parameters = complete([]Parameter{
	{Field: "engine", Label: "Engine", AtStart: true, Usage: "Engine of the configuration (default: its first)"},
	{
		Field: "livyVersion", AtStart: true,
		Usage: "Version that the Livy server must have (default: the engine's)",
	},
	{
		Field: "cpu", Label: "Resources", AtStart: true,
		Usage: "Cores: 1, 2 or 4, or what the operator allows (default: the smallest)",
	},
	{
		Field: "memory", AtStart: true,
		Usage: "Memory: 4Gi, 8Gi or 16Gi, or what the operator allows (default: the smallest)",
	},
	{
		Field: "servers",
		Usage: "Livy servers that share the sessions and batches, each with this CPU and memory: 1 to 8 (default 1)",
	},
	{Field: "fusion", Label: "Fusion", AtStart: true, Usage: "Acceleration profile of the configuration"},
	{Field: "cluster", Label: "Cluster", AtStart: true, Usage: "Cluster of the configuration to run jobs on"},
	{Field: "queue", Label: "Queue", Usage: "Queue of every job"},
	{Field: "identity", Label: "Identity", Usage: "User that jobs run as, with impersonation on in livy.conf"},
	{
		Field: "environment", Label: "Environment", AtStart: true,
		Usage: "Environment of the configuration for every job",
	},
	{Field: "network", Label: "Network", AtStart: true, Usage: "Network of the configuration to join"},
	{
		Field: "directories", Flag: "directory", Label: "Directories", AtStart: true,
		Usage: "File directory of the configuration to mount (may be repeated)",
	},
	{
		Field: "mountToExecutor", Label: "Mount to executor",
		Usage: "Mount the directories into executors too, on Kubernetes",
	},
	{
		Field: "warehouse", Label: "Warehouse", AtStart: true,
		Usage: "Directory of the configuration, or thrift://HOST:PORT, that keeps the tables",
	},
	{Field: "public", Label: "Public", Usage: "Also answer on public endpoints"},
	{
		Field: "isolated", Label: "Isolated",
		Usage: "Let a token use only the sessions and batches that it created; does not protect against code run on the gateway",
	},
	{Field: "autoStop", Label: "Auto-stop", Usage: "Stop after this many idle minutes (0: never)"},
	{Field: "autoStart", Label: "Auto-start", Usage: "Start the gateway when a request arrives"},
	{
		Field: "warm", Label: "Warm",
		Usage: `Sessions to start ahead, e.g. "pyspark 2 driver_memory=2g", or "auto 2" (may be repeated)`,
	},
	{
		Field: "policy", Label: "Policy",
		Usage: "strict: clients may set only what is listed or allowed; or open",
	},
	{
		Field: "statementAudit", Label: "Statement audit",
		Usage: "Record the statements that clients run: hash, or code to include the code",
	},
	{Field: "sparkDefaults", File: "spark-defaults.conf", AtStart: true},
	{Field: "livyConf", File: "livy.conf", AtStart: true},
	{Field: "livyClientConf", File: "livy-client.conf", AtStart: true},
	{Field: "sparkBlacklist", File: "spark-blacklist.conf", AtStart: true, Now: true},
	{Field: "policyRules", File: "policy.rules"},
	{
		Field: "disabledRoutes", Option: "disable_routes", Flag: "disable-route", Label: "Routes off",
		Usage: `Route not to serve, e.g. "session.job.*" (may be repeated)`,
	},
})

// complete sets the field indexes and the default names.
func complete(list []Parameter) []Parameter {
	index := make(map[string]int)
	for i := range reflect.TypeFor[Spec]().NumField() {
		name, _, _ := strings.Cut(reflect.TypeFor[Spec]().Field(i).Tag.Get("json"), ",")
		index[name] = i
	}
	for i := range list {
		p := &list[i]
		p.index = index[p.Field]
		p.Option = cmp.Or(p.Option, OptionName(p.Field))
		p.Flag = cmp.Or(p.Flag, strings.ReplaceAll(OptionName(p.Field), "_", "-"))
		if p.File != "" {
			p.Usage = "File with the text of " + p.File
		}
	}
	return list
}

// OptionName converts the JSON name of a field to its spelling in the Caddyfile: "pyFiles"
// becomes "py_files".
func OptionName(field string) string {
	var b strings.Builder
	for _, r := range field {
		if unicode.IsUpper(r) {
			b.WriteByte('_')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// LaunchSettings returns the settings that take effect only when a Livy server starts, by
// JSON name. All others take effect from the next request on.
func (s *Spec) LaunchSettings() map[string]any {
	values := make(map[string]any)
	for _, p := range parameters {
		if !p.AtStart {
			continue
		}
		values[p.Field] = p.in(s).Interface()
		if list, ok := values[p.Field].([]string); ok {
			values[p.Field] = append([]string{}, list...) // nil and empty are equal
		}
	}
	return values
}

// takeLaunched copies the settings that requests use only after the next start.
func (s *Spec) takeLaunched(from *Spec) {
	for _, p := range parameters {
		if p.AtStart && !p.Now {
			p.in(s).Set(p.in(from))
		}
	}
}

// Equal reports whether two specs are equal.
func (s *Spec) Equal(other *Spec) bool { return reflect.DeepEqual(s, other) }

// SameTexts reports whether the files of two specs are the same.
func (s *Spec) SameTexts(other *Spec) bool {
	for _, p := range parameters {
		if p.File != "" && p.in(s).String() != p.in(other).String() {
			return false
		}
	}
	return true
}
