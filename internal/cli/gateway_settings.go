package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/livygateway/livygateway/internal/gateway"
)

// setting is a flag for one field of a gateway's settings.
type setting struct {
	flag, field string
	kind        settingKind
	usage       string
}

type settingKind int

const (
	settingText settingKind = iota
	settingInt
	settingBool
	settingList
	settingFile // the flag names a file with the text, - for standard input
)

var settings = []setting{
	{"cpu", "cpu", settingInt, "Cores: 1, 2 or 4, or what the operator allows (default: the smallest)"},
	{"memory", "memory", settingText, "Memory: 4Gi, 8Gi or 16Gi, or what the operator allows (default: the smallest)"},
	{"engine", "engine", settingText, "Engine of the configuration (default: its first)"},
	{"livy-version", "livyVersion", settingText, "Version that the Livy server must have (default: the engine's)"},
	{"fusion", "fusion", settingText, "Acceleration profile of the configuration"},
	{"cluster", "cluster", settingText, "Cluster of the configuration to run jobs on"},
	{"queue", "queue", settingText, "Queue that every job is put into"},
	{"identity", "identity", settingText, "User that jobs run as, with impersonation on in livy.conf"},
	{"directory", "directories", settingList, "File directory of the configuration to mount (may be repeated)"},
	{"mount-to-executor", "mountToExecutor", settingBool, "Mount the directories into executors too, on Kubernetes"},
	{"network", "network", settingText, "Network of the configuration to join"},
	{"environment", "environment", settingText, "Environment of the configuration for every job"},
	{"public", "public", settingBool, "Also answer on public endpoints"},
	{"isolated", "isolated", settingBool, "Show a token only the sessions and batches that it created; against mistakes and curiosity, not against code"},
	{"statement-audit", "statementAudit", settingText, "Write down the statements that are run: hash, or code for the code too"},
	{"spark-defaults", "sparkDefaults", settingFile, "File with the text of spark-defaults.conf"},
	{"livy-conf", "livyConf", settingFile, "File with the text of livy.conf"},
	{"livy-client-conf", "livyClientConf", settingFile, "File with the text of livy-client.conf"},
	{"spark-blacklist", "sparkBlacklist", settingFile, "File with the text of spark-blacklist.conf"},
	{"policy", "policy", settingText, "strict: clients may set what is listed or allowed and nothing else; or open"},
	{"policy-rules", "policyRules", settingFile, "File with the text of policy.rules"},
	{"disable-route", "disabledRoutes", settingList, `Route not to serve, e.g. "session.job.*" (may be repeated)`},
}

// Flags that make up more than a field each.
const (
	flagAutoStop  = "auto-stop"
	flagAutoStart = "auto-start"
	flagWait      = "auto-start-wait"
)

func (c *cli) addSettings(cmd *cobra.Command) {
	f := cmd.Flags()
	for _, s := range settings {
		switch s.kind {
		case settingInt:
			f.Int(s.flag, 0, s.usage)
		case settingBool:
			f.Bool(s.flag, false, s.usage)
		case settingList:
			f.StringSlice(s.flag, nil, s.usage)
		default:
			f.String(s.flag, "", s.usage)
		}
		if s.kind != settingFile { // the shell completes files
			complete(cmd, s.flag, c.offered(s.flag))
		}
	}
	f.Int(flagAutoStop, 0, "Stop after that many idle minutes; 0: never")
	f.Bool(flagAutoStart, false, "Start the stopped gateway by a request")
	f.Int(flagWait, gateway.DefaultWaitSeconds, "Seconds that such a request waits")
}

// readSettings returns the settings whose flags were given.
func (c *cli) readSettings(cmd *cobra.Command) (map[string]any, error) {
	f := cmd.Flags()
	given := make(map[string]any)
	for _, s := range settings {
		if !f.Changed(s.flag) {
			continue
		}
		var err error
		switch s.kind {
		case settingInt:
			given[s.field], err = f.GetInt(s.flag)
		case settingBool:
			given[s.field], err = f.GetBool(s.flag)
		case settingList:
			given[s.field], err = f.GetStringSlice(s.flag)
		case settingFile:
			path, _ := f.GetString(s.flag)
			var text []byte
			text, err = c.readFile(path)
			given[s.field] = string(text)
		default:
			given[s.field], err = f.GetString(s.flag)
		}
		if err != nil {
			return nil, gateway.Wrap(gateway.KindInvalid, "--"+s.flag, err)
		}
	}
	if f.Changed(flagAutoStop) {
		minutes, _ := f.GetInt(flagAutoStop)
		given["autoStop"] = map[string]any{"enabled": minutes != 0, "minutes": minutes}
	}
	start := make(map[string]any)
	if f.Changed(flagAutoStart) {
		start["enabled"], _ = f.GetBool(flagAutoStart)
	}
	if f.Changed(flagWait) {
		start["waitSeconds"], _ = f.GetInt(flagWait)
	}
	if len(start) > 0 {
		given["autoStart"] = start
	}
	return given, nil
}

// unsetFields reads what is to be taken back to its default: names of fields, or of
// the flags that set them.
func unsetFields(names []string) ([]string, error) {
	byFlag := map[string]string{flagAutoStop: "autoStop", flagAutoStart: "autoStart"}
	for _, s := range settings {
		byFlag[s.flag] = s.field
	}
	known := settingFields()
	fields := make([]string, len(names))
	for i, name := range names {
		fields[i] = name
		if field := byFlag[name]; field != "" {
			fields[i] = field
		}
		if slices.Contains(known, fields[i]) {
			continue
		}
		near := gateway.Similar(name, slices.Concat(known, slices.Sorted(maps.Keys(byFlag))))
		if near != "" {
			near = " (did you mean " + near + "?)"
		}
		return nil, badUsage(fmt.Errorf("--unset: there is no setting %q%s; what can be unset: %s", name, near, strings.Join(known, ", ")))
	}
	return fields, nil
}

// settingFields are the fields that can be taken back to their defaults.
func settingFields() []string {
	fields := []string{"autoStop", "autoStart"}
	for _, s := range settings {
		fields = append(fields, s.field)
	}
	slices.Sort(fields)
	return fields
}
