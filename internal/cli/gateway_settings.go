package cli

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/livygateway/livygateway/internal/gateway"
)

// flagWait is the flag for the second field of the setting autoStart.
const flagWait = "auto-start-wait"

func (c *cli) addSettings(cmd *cobra.Command) {
	f := cmd.Flags()
	for _, p := range gateway.Parameters() {
		switch p.In(new(gateway.Spec)).(type) {
		case *string:
			f.String(p.Flag, "", p.Usage)
		case *[]string:
			f.StringSlice(p.Flag, nil, p.Usage)
		case *[]gateway.Warm:
			f.StringArray(p.Flag, nil, p.Usage)
		case *int, *gateway.AutoStop:
			f.Int(p.Flag, 0, p.Usage)
		case *bool, *gateway.AutoStart:
			f.Bool(p.Flag, false, p.Usage)
		}
		if p.File == "" { // the shell completes files
			complete(cmd, p.Flag, c.offered(p.Flag))
		}
	}
	f.Int(flagWait, gateway.DefaultWaitSeconds, "Seconds that this request waits")
}

// readSettings returns the settings whose flags were given.
func (c *cli) readSettings(cmd *cobra.Command) (map[string]any, error) {
	f := cmd.Flags()
	given := make(map[string]any)
	for _, p := range gateway.Parameters() {
		if !f.Changed(p.Flag) && (p.Field != "autoStart" || !f.Changed(flagWait)) {
			continue
		}
		value, err := c.readSetting(f, &p)
		if err != nil {
			return nil, gateway.Wrap(gateway.KindInvalid, "--"+p.Flag, err)
		}
		given[p.Field] = value
	}
	return given, nil
}

// unsetFields returns the fields to reset to their defaults, given by names of fields or of flags.
func unsetFields(names []string) ([]string, error) {
	byFlag := make(map[string]string)
	for _, p := range gateway.Parameters() {
		byFlag[p.Flag] = p.Field
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
		return nil, badUsage(fmt.Errorf("--unset: unknown setting %q%s; settings that can be unset: %s", name,
			near, strings.Join(known, ", ")))
	}
	return fields, nil
}

// readSetting returns the value of a setting whose flag was given.
func (c *cli) readSetting(f *pflag.FlagSet, p *gateway.Parameter) (any, error) {
	switch p.In(new(gateway.Spec)).(type) {
	case *[]string:
		return f.GetStringSlice(p.Flag)
	case *[]gateway.Warm:
		lines, err := f.GetStringArray(p.Flag)
		shapes := make([]gateway.Warm, len(lines))
		for i, line := range lines {
			if shapes[i], err = gateway.ParseWarm(line); err != nil {
				return nil, err
			}
		}
		return shapes, err
	case *int:
		return f.GetInt(p.Flag)
	case *bool:
		return f.GetBool(p.Flag)
	case *gateway.AutoStop:
		minutes, err := f.GetInt(p.Flag)
		return map[string]any{"enabled": minutes != 0, "minutes": minutes}, err
	case *gateway.AutoStart:
		start := make(map[string]any)
		if f.Changed(p.Flag) {
			start["enabled"], _ = f.GetBool(p.Flag)
		}
		if f.Changed(flagWait) {
			start["waitSeconds"], _ = f.GetInt(flagWait)
		}
		return start, nil
	}
	value, err := f.GetString(p.Flag)
	if p.File == "" || err != nil {
		return value, err
	}
	text, err := c.readFile(value)
	return string(text), err
}

// settingFields returns the fields that can be reset to their defaults.
func settingFields() []string {
	var fields []string
	for _, p := range gateway.Parameters() {
		fields = append(fields, p.Field)
	}
	slices.Sort(fields)
	return fields
}
