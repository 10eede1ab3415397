package cli

import (
	"regexp"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/livygateway/livygateway/internal/gateway"
)

// flagOf is the flag of a command that sets a field of the API, "" if it has none.
func flagOf(cmd *cobra.Command, field string) string {
	field, _, _ = strings.Cut(field, ".")
	names := []string{kebab(field), strings.TrimSuffix(kebab(field), "s")}
	switch field {
	case "overlapHours":
		names = []string{"overlap"}
	case "expiresAt":
		names = []string{"expire-days"}
	case "workspaces":
		names = []string{"in"}
	case "token":
		names = []string{"token", "token-file"}
	}
	for _, p := range gateway.Parameters() {
		if p.Field == field {
			names = append(names, p.Flag)
		}
	}
	for _, name := range names {
		if cmd.Flags().Lookup(name) != nil {
			return name
		}
	}
	return ""
}

// kebab turns maxSessions into max-sessions.
func kebab(field string) string {
	var b strings.Builder
	for _, r := range field {
		if unicode.IsUpper(r) {
			b.WriteByte('-')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return b.String()
}

// withFlag names the flag in a sentence that begins with a field of the API.
func (f *failure) withFlag(cmd *cobra.Command) string {
	rest, ok := strings.CutPrefix(f.Detail, f.Field+": ")
	if f.Field == "" || !ok {
		return f.Detail
	}
	if flag := flagOf(cmd, f.Field); flag != "" {
		return "--" + flag + ": " + rest
	}
	return f.Detail
}

var goNumber = regexp.MustCompile(`strconv\.Parse(Int|Float|Uint|Bool): parsing "(?:[^"\\]|\\.)*": (?:invalid syntax|value out of range)`)

// plainFlagError is pflag's error without Go's own words.
func plainFlagError(text string) string {
	return goNumber.ReplaceAllStringFunc(text, func(found string) string {
		switch {
		case strings.HasPrefix(found, "strconv.ParseBool"):
			return "must be true or false"
		case strings.HasPrefix(found, "strconv.ParseFloat"):
			return "must be a number"
		}
		return "must be a whole number"
	})
}
