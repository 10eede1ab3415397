package policies

import (
	"fmt"
	"strings"

	"github.com/livygateway/livygateway/gateway"
)

const ruleSyntax = "must be one of: max KEY VALUE [lower|refuse], allow KEY VALUE... [lower|refuse], require KEY"

// ParseRules reads rules as people write them, one a line, with # comments:
//
//	max     spark.executor.memory        8g   lower
//	max     spark.executor.instances     20
//	allow   spark.sql.shuffle.partitions 100 200 400
//	allow   kind                         pyspark sql
//	require spark.app.name
//
// Values of allow are separated by blanks; a trailing * takes all that begin
// so. What breaks a rule is refused unless the line ends in "lower". Errors
// name file, line and reason, and not what stands there: a file that was named by
// mistake may hold secrets. Whether a rule makes sense is for Compile to say.
func ParseRules(f File) ([]Rule, error) {
	var rules []Rule
	line := 0
	for text := range strings.Lines(f.Text) {
		line++
		text, _, _ = strings.Cut(text, "#")
		words := strings.Fields(text)
		if len(words) == 0 {
			continue
		}
		source := fmt.Sprintf("%s:%d", f.Name, line)
		r, ok := parseRule(words)
		if !ok {
			return nil, gateway.InvalidLine(source, ruleSyntax)
		}
		r.Source = source
		rules = append(rules, r)
	}
	return rules, nil
}

func parseRule(words []string) (Rule, bool) {
	if len(words) < 2 {
		return Rule{}, false
	}
	verb, r, rest := words[0], Rule{Key: words[1]}, words[2:]
	if verb == "require" {
		r.Required = true
		return r, len(rest) == 0
	}
	if n := len(rest) - 1; n >= 0 && (rest[n] == string(Lower) || rest[n] == string(Refuse)) {
		r.Action, rest = Action(rest[n]), rest[:n]
	}
	switch {
	case verb == "max" && len(rest) == 1:
		r.Max = rest[0]
		return r, true
	case verb == "allow" && len(rest) > 0:
		r.Allowed = rest
		return r, true
	}
	return r, false
}
