package gateway

import (
	"encoding/json"
	"reflect"
	"regexp"
	"strings"
)

// secretWords is what marks a setting as a secret: Spark's own pattern
// (spark.redaction.regex) and some more.
var secretWords = regexp.MustCompile(`(?i)secret|password|passwd|passphrase|token|credential|access[._-]?key|account[._-]?key|api[._-]?key|private[._-]?key|://[^/\s:@]*:[^/\s@]+@`)

// masked stands for what is not shown.
const masked = "***"

// MaskSecrets hides the values of settings in the text of a conf file that look
// like secrets, by their key or by what is in the value. A line is taken whole with
// those that continue it. What is hidden cannot be told from its length.
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

// lineEnd is where a line goes on in the next one.
var lineEnd = regexp.MustCompile(`\\\r?\n[ \t\f]*`)

// continues says whether a line ends in an odd number of backslashes.
func continues(line string) bool {
	line = strings.TrimSuffix(line, "\r")
	return (len(line)-len(strings.TrimRight(line, `\`)))%2 == 1
}

// maskLine keeps the key of a line.
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

// secretValue is what gives a secret away where there is no key beside it.
var secretValue = regexp.MustCompile(`://[^/\s:@]*:[^/\s@]+@`)

// Changes are the fields in which two values differ, as they are in JSON, before
// and after, with secrets in their texts masked. A nil value has no fields.
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
	_ = json.Unmarshal(text, &m) // null is no fields
	return m
}

// maskAll masks a value and what is in it.
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
