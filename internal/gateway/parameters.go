package gateway

import (
	"reflect"
	"strings"
	"unicode"
)

// Parameter is one setting of a gateway besides its name. From the table of them are
// made the options of a gateway in the Caddyfile, the flags of the command line and
// what it shows, and what a changed setting needs a restart for.
type Parameter struct {
	// Field is its name in JSON, e.g. "livyConf".
	Field string
	// Option is its name in the Caddyfile, Flag that on the command line.
	Option, Flag string
	Kind         ParameterKind
	// Label is what people read before its value; empty where it is not shown by itself.
	Label string
	// Usage is what the command line's help says.
	Usage string
	// AtStart says that it takes effect only when a Livy server starts; all others hold
	// from the next request on.
	AtStart bool
	// Now says of a setting with AtStart that the gateway itself goes by it at once.
	Now bool

	in func(*Spec) any
}

// ParameterKind is how a setting is written.
type ParameterKind int

// The kinds of settings, with the type that In points at.
const (
	KindText      ParameterKind = iota // string
	KindNumber                         // int
	KindSwitch                         // bool
	KindList                           // []string
	KindFile                           // string: the text of a file, whose name is the Label
	KindAutoStop                       // AutoStop
	KindAutoStart                      // AutoStart
)

// In returns a pointer to the setting in a spec.
func (p *Parameter) In(s *Spec) any { return p.in(s) }

// Parameters are all settings of a gateway besides its name, in the order in which
// they are shown.
func Parameters() []Parameter { return parameters }

var parameters = complete([]Parameter{
	{
		Field: "engine", Label: "Engine", AtStart: true, in: func(s *Spec) any { return &s.Engine },
		Usage: "Engine of the configuration (default: its first)",
	},
	{
		Field: "livyVersion", AtStart: true, in: func(s *Spec) any { return &s.LivyVersion },
		Usage: "Version that the Livy server must have (default: the engine's)",
	},
	{
		Field: "cpu", Kind: KindNumber, Label: "Resources", AtStart: true, in: func(s *Spec) any { return &s.CPU },
		Usage: "Cores: 1, 2 or 4, or what the operator allows (default: the smallest)",
	},
	{
		Field: "memory", AtStart: true, in: func(s *Spec) any { return &s.Memory },
		Usage: "Memory: 4Gi, 8Gi or 16Gi, or what the operator allows (default: the smallest)",
	},
	{
		Field: "fusion", Label: "Fusion", AtStart: true, in: func(s *Spec) any { return &s.Fusion },
		Usage: "Acceleration profile of the configuration",
	},
	{
		Field: "cluster", Label: "Cluster", AtStart: true, in: func(s *Spec) any { return &s.Cluster },
		Usage: "Cluster of the configuration to run jobs on",
	},
	{
		Field: "queue", Label: "Queue", in: func(s *Spec) any { return &s.Queue },
		Usage: "Queue that every job is put into",
	},
	{
		Field: "identity", Label: "Identity", in: func(s *Spec) any { return &s.Identity },
		Usage: "User that jobs run as, with impersonation on in livy.conf",
	},
	{
		Field: "environment", Label: "Environment", AtStart: true, in: func(s *Spec) any { return &s.Environment },
		Usage: "Environment of the configuration for every job",
	},
	{
		Field: "network", Label: "Network", AtStart: true, in: func(s *Spec) any { return &s.Network },
		Usage: "Network of the configuration to join",
	},
	{
		Field: "directories", Flag: "directory", Kind: KindList, Label: "Directories", AtStart: true,
		in:    func(s *Spec) any { return &s.Directories },
		Usage: "File directory of the configuration to mount (may be repeated)",
	},
	{
		Field: "mountToExecutor", Kind: KindSwitch, Label: "Mount to executor",
		in:    func(s *Spec) any { return &s.MountToExecutor },
		Usage: "Mount the directories into executors too, on Kubernetes",
	},
	{
		Field: "public", Kind: KindSwitch, Label: "Public", in: func(s *Spec) any { return &s.Public },
		Usage: "Also answer on public endpoints",
	},
	{
		Field: "isolated", Kind: KindSwitch, Label: "Isolated", in: func(s *Spec) any { return &s.Isolated },
		Usage: "Show a token only the sessions and batches that it created",
	},
	{
		Field: "autoStop", Kind: KindAutoStop, Label: "Auto-stop", in: func(s *Spec) any { return &s.AutoStop },
		Usage: "Stop after that many idle minutes; 0: never",
	},
	{
		Field: "autoStart", Kind: KindAutoStart, Label: "Auto-start", in: func(s *Spec) any { return &s.AutoStart },
		Usage: "Start the stopped gateway by a request",
	},
	{
		Field: "policy", Label: "Policy", in: func(s *Spec) any { return &s.Policy },
		Usage: "strict: clients may set what is listed or allowed and nothing else; or open",
	},
	{
		Field: "statementAudit", Label: "Statement audit", in: func(s *Spec) any { return &s.StatementAudit },
		Usage: "Write down the statements that are run: hash, or code for the code too",
	},
	{
		Field: "sparkDefaults", Kind: KindFile, Label: "spark-defaults.conf", AtStart: true,
		in: func(s *Spec) any { return &s.SparkDefaults },
	},
	{
		Field: "livyConf", Kind: KindFile, Label: "livy.conf", AtStart: true,
		in: func(s *Spec) any { return &s.LivyConf },
	},
	{
		Field: "livyClientConf", Kind: KindFile, Label: "livy-client.conf", AtStart: true,
		in: func(s *Spec) any { return &s.LivyClientConf },
	},
	{
		Field: "sparkBlacklist", Kind: KindFile, Label: "spark-blacklist.conf", AtStart: true, Now: true,
		in: func(s *Spec) any { return &s.SparkBlacklist },
	},
	{
		Field: "policyRules", Kind: KindFile, Label: "policy.rules",
		in: func(s *Spec) any { return &s.PolicyRules },
	},
	{
		Field: "disabledRoutes", Option: "disable_routes", Flag: "disable-route", Kind: KindList, Label: "Routes off",
		in:    func(s *Spec) any { return &s.DisabledRoutes },
		Usage: `Route not to serve, e.g. "session.job.*" (may be repeated)`,
	},
})

// complete makes the names that follow from others.
func complete(list []Parameter) []Parameter {
	for i := range list {
		p := &list[i]
		if p.Option == "" {
			p.Option = OptionName(p.Field)
		}
		if p.Flag == "" {
			p.Flag = strings.ReplaceAll(OptionName(p.Field), "_", "-")
		}
		if p.Kind == KindFile {
			p.Usage = "File with the text of " + p.Label
		}
	}
	return list
}

// OptionName spells the name of a field in JSON as the Caddyfile does: "pyFiles" is
// "py_files" there.
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

// LaunchSettings are the settings that take effect only when a Livy server starts, by
// their names in JSON. All others hold for the next request.
func (s *Spec) LaunchSettings() map[string]any {
	values := make(map[string]any)
	for i := range parameters {
		if p := &parameters[i]; p.AtStart {
			values[p.Field] = value(p, s)
			if list, ok := values[p.Field].([]string); ok {
				values[p.Field] = append([]string{}, list...) // none is none, however it is written
			}
		}
	}
	return values
}

func value(p *Parameter, s *Spec) any { return reflect.ValueOf(p.in(s)).Elem().Interface() }

// takeLaunched takes over from another spec what requests go by only after the next
// start.
func (s *Spec) takeLaunched(from *Spec) {
	for i := range parameters {
		if p := &parameters[i]; p.AtStart && !p.Now {
			reflect.ValueOf(p.in(s)).Elem().Set(reflect.ValueOf(p.in(from)).Elem())
		}
	}
}

// Equal reports whether two specs say the same.
func (s *Spec) Equal(other *Spec) bool { return reflect.DeepEqual(s, other) }

// SameTexts reports whether the files of two specs are the same.
func (s *Spec) SameTexts(other *Spec) bool {
	for i := range parameters {
		if p := &parameters[i]; p.Kind == KindFile && *p.in(s).(*string) != *p.in(other).(*string) {
			return false
		}
	}
	return true
}
