package policies

import (
	"fmt"
	"strings"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
)

const ruleSyntax = "must be one of: max KEY VALUE [lower|refuse], allow KEY VALUE... [lower|refuse], require KEY, " +
	"allow-conf KEY..., allow-class CLASS..., allow-scheme SCHEME..."

// grantVerbs maps the first word of lines that allow clients more to what they allow.
var grantVerbs = map[string]string{
	"allow-conf": GrantConf, "allow-class": GrantClass,
	"allow-scheme": GrantScheme,
}

// ParseRules parses rules, one per line, with # comments:
//
//	max     spark.executor.memory        8g   lower
//	max     spark.executor.instances     20
//	allow   spark.sql.shuffle.partitions 100 200 400
//	allow   kind                         pyspark sql
//	require spark.app.name
//	allow-conf   spark.myteam.* spark.executorEnv.JAVA_HOME
//	allow-class  com.example.*
//	allow-scheme https
//
// Values of allow are separated by spaces; a trailing * matches all values with that prefix. A
// request that breaks a rule is refused unless the line ends in "lower". Lines that begin with
// "allow-" let clients set what a strict policy, or the guard on environment variables, would not
// allow. Errors name file, line and reason but not the text of the line: a file given by mistake
// may contain secrets. Compile checks whether rules make sense.
func ParseRules(f File) (rules []Rule, granted []Grant, err error) {
	line := 0
	for text := range strings.Lines(strings.TrimPrefix(f.Text, livy.ByteOrderMark)) {
		line++
		text, _, _ = strings.Cut(text, "#")
		words := strings.Fields(text)
		if len(words) == 0 {
			continue
		}
		source := fmt.Sprintf("%s:%d", f.Name, line)
		if odd := livy.OddBlank(strings.Join(words, " ")); odd != "" {
			return nil, nil, gateway.InvalidLine(source, "holds "+odd+", which looks like a blank and is none: write a blank")
		}
		if what := grantVerbs[words[0]]; what != "" && len(words) > 1 {
			for _, name := range words[1:] {
				granted = append(granted, Grant{What: what, Name: name, Source: source})
			}
			continue
		}
		r, ok := parseRule(words)
		if !ok {
			return nil, nil, gateway.InvalidLine(source, ruleSyntax)
		}
		r.Source = source
		rules = append(rules, r)
	}
	return rules, granted, nil
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
