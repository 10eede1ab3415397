package openapi

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/livygateway/livygateway/internal/api"
)

// Calls describes each call, as Markdown, for docs/api.md.
func Calls() []string {
	var lines []string
	for _, r := range api.Routes() {
		text := fmt.Sprintf("**`%s %s`**: %s", r.Method, r.Path, r.Summary)
		if !strings.HasSuffix(text, "?") {
			text += "."
		}
		if r.Doc != "" {
			text += " " + r.Doc
		}
		if len(r.Query) > 0 {
			var query []string
			for _, p := range r.Query {
				query = append(query, "`"+p.Name+"`")
			}
			text += " Query: " + strings.Join(query, ", ") + "."
		}
		text += " " + NeedsRole(&r)
		lines = append(lines, text+" Replies: "+strings.Join(statuses(&r), ", ")+".")
	}
	return lines
}

// statuses returns the statuses of a call, besides those of all calls.
func statuses(r *api.Route) []string {
	all := slices.Sorted(maps.Keys(responses(&types{schemas: object{}}, r)))
	return slices.DeleteFunc(all, func(status string) bool {
		n, _ := strconv.Atoi(status)
		return slices.Contains(anyCall, n) && !slices.Contains(r.Errors, n)
	})
}
