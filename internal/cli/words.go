package cli

import (
	"fmt"
	"slices"
	"strings"

	"github.com/livygateway/livygateway/internal/gateway"
)

// knownWords refuses a filter that would choose nothing because it is mistyped.
func knownWords(flag string, given, known []string) error {
	for _, word := range given {
		if slices.ContainsFunc(known, func(k string) bool { return strings.EqualFold(k, word) }) {
			continue
		}
		hint := ""
		if near := gateway.Similar(word, known); near != "" {
			hint = " (did you mean " + near + "?)"
		}
		return badUsage(fmt.Errorf("--%s: there is no %s %q%s; there are: %s", flag, flag, word, hint, strings.Join(known, ", ")))
	}
	return nil
}
