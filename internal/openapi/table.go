package openapi

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/livygateway/livygateway/internal/api"
)

// Table returns the table of calls for docs/api.md.
func Table() string {
	var b strings.Builder
	b.WriteString("| call | | query | replies |\n|---|---|---|---|\n")
	for _, r := range api.Routes() {
		var query []string
		for _, p := range r.Query {
			query = append(query, "`"+p.Name+"`")
		}
		text := r.Summary
		if r.Doc != "" {
			if !strings.HasSuffix(text, "?") {
				text += "."
			}
			text += " " + r.Doc
		}
		fmt.Fprintf(&b, "| `%s %s` | %s | %s | %s |\n", r.Method, r.Path, text, strings.Join(query, " "),
			strings.Join(statuses(&r), " "))
	}
	return b.String()
}

// statuses returns the statuses of a call, besides those of all calls.
func statuses(r *api.Route) []string {
	all := slices.Sorted(maps.Keys(responses(&types{schemas: object{}}, r)))
	return slices.DeleteFunc(all, func(status string) bool {
		n, _ := strconv.Atoi(status)
		return slices.Contains(anyCall, n) && !slices.Contains(r.Errors, n)
	})
}
