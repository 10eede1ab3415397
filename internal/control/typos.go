package control

import (
	"fmt"
	"strings"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/policies"
	"github.com/livygateway/livygateway/upstream"
)

// Typos names what looks mistyped in a gateway's conf files and rules, a sentence for
// each with file and line. None of it is refused: it may be meant.
func Typos(s *gateway.Spec) []string {
	rules, grants, _ := policies.ParseRules(policies.File{Name: rulesFile, Text: s.PolicyRules})
	notes := policies.Typos(policies.Settings{
		SparkDefaults: policies.File{Name: upstream.SparkDefaults, Text: s.SparkDefaults},
		Blacklist:     policies.File{Name: upstream.SparkBlacklist, Text: s.SparkBlacklist},
		Rules:         rules,
		Grants:        grants,
	})
	var livy policies.Typing
	for _, file := range []struct{ name, text string }{{upstream.LivyConf, s.LivyConf}, {upstream.LivyClientConf, s.LivyClientConf}} {
		entries, _ := upstream.ParseConf(file.name, file.text)
		for _, e := range entries {
			source := fmt.Sprintf("%s:%d", file.name, e.Line)
			if strings.HasPrefix(e.Key, "livy.") {
				livy.Livy(source, e.Key)
			} else {
				livy.Spark(source, e.Key)
			}
		}
	}
	return append(notes, livy.Notes()...)
}

// rulesFile is the name that a gateway's rules have in messages.
const rulesFile = "policy.rules"
