package gateway

import (
	"encoding/json"
	"reflect"
	"regexp"
	"strings"
)

// secretWords matches the keys of settings that hold secrets: Spark's own pattern
// (spark.redaction.regex) and more.
var secretWords = regexp.MustCompile(`(?i)secret|password|passwd|passphrase|token|credential|access[._-]?key|account[._-]?key|api[._-]?key|private[._-]?key|://[^/\s:@]*:[^/\s@]+@`)

// masked replaces secrets.
const masked = "***"

// MaskSecrets masks the values of settings in a configuration text that look like secrets, by
// key or by value. Continuation lines belong to the line that they continue. The mask does
// not depend on the length of the secret.
func MaskSecrets(text string) string {
	lines := strings.Split(text, "\n")
	out := make([]string, 0, len(lines))
	for i := 0; i < len(lines); i++ {
		line := lines[i]
		for continues(lines[i]) && i+1 < len(lines) {
			i++
			line += "\n" + lines[i]
		}
		if secretWords.MatchString(lineEnd.ReplaceAllString(line, "")) {
			line = maskLine(line)
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

// lineEnd matches a line continuation.
var lineEnd = regexp.MustCompile(`\\\r?\n[ \t\f]*`)

// continues reports whether a line ends in an odd number of backslashes.
func continues(line string) bool {
	line = strings.TrimSuffix(line, "\r")
	return (len(line)-len(strings.TrimRight(line, `\`)))%2 == 1
}

// maskLine masks the value of a line and keeps the key.
func maskLine(line string) string {
	line = strings.TrimLeft(line, " \t\f")
	if strings.HasPrefix(line, "#") || strings.HasPrefix(line, "!") {
		return line[:1] + " " + masked
	}
	end := strings.IndexAny(line, "=: \t\f\n\\")
	if end < 0 {
		if secretValue.MatchString(line) {
			return masked
		}
		return line // a key alone, as in a blacklist
	}
	return line[:end] + " " + masked
}

// secretValue matches secrets that can be recognized without a key: passwords in URLs.
var secretValue = regexp.MustCompile(`://[^/\s:@]*:[^/\s@]+@`)

// Changes returns the JSON fields in which two values differ, before and after, with secrets
// masked. A nil value has no fields.
func Changes(before, after any) (was, is map[string]any) {
	b, a := fields(before), fields(after)
	was, is = map[string]any{}, map[string]any{}
	for name, value := range b {
		if other, ok := a[name]; !ok || !reflect.DeepEqual(value, other) {
			was[name] = maskAll(name, value)
		}
	}
	for name, value := range a {
		if other, ok := b[name]; !ok || !reflect.DeepEqual(value, other) {
			is[name] = maskAll(name, value)
		}
	}
	return was, is
}

func fields(v any) map[string]any {
	text, err := json.Marshal(v)
	if err != nil {
		return nil
	}
	var m map[string]any
	_ = json.Unmarshal(text, &m) // null has no fields
	return m
}

// maskAll masks secrets in a value recursively.
func maskAll(name string, v any) any {
	switch v := v.(type) {
	case string:
		if secretWords.MatchString(name) {
			return masked
		}
		return MaskSecrets(v)
	case []any:
		for i := range v {
			v[i] = maskAll(name, v[i])
		}
	case map[string]any:
		for key := range v {
			v[key] = maskAll(key, v[key])
		}
	}
	return v
}
