package openapi

import (
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/livygateway/livygateway/internal/access"
	"github.com/livygateway/livygateway/internal/api"
)

// Table lists the calls for docs/api.md.
func Table() string {
	var b strings.Builder
	b.WriteString("| call | | role | query | replies |\n|---|---|---|---|---|\n")
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
		fmt.Fprintf(&b, "| `%s %s` | %s | %s | %s | %s |\n", r.Method, r.Path, text, roleOf(&r), strings.Join(query, " "), strings.Join(statuses(&r), " "))
	}
	return b.String()
}

// statuses are those of a call besides what any call can have.
func statuses(r *api.Route) []string {
	all := slices.Sorted(maps.Keys(responses(&types{schemas: object{}}, r)))
	return slices.DeleteFunc(all, func(status string) bool {
		n, _ := strconv.Atoi(status)
		return slices.Contains(anyCall, n) && !slices.Contains(r.Errors, n)
	})
}

// roleOf is the least role that may make a call.
func roleOf(r *api.Route) string {
	switch {
	case r.Access.Role == access.None:
		return ""
	case r.Access.Own:
		return r.Access.Role.String() + ", member: own"
	default:
		return r.Access.Role.String()
	}
}

// Roles lists for docs/access.md which role may make which calls.
func Roles() string {
	var b strings.Builder
	b.WriteString("| |")
	for _, role := range access.Roles {
		b.WriteString(" " + role.String() + " |")
	}
	b.WriteString("\n|---|" + strings.Repeat("---|", len(access.Roles)) + "\n")
	for _, r := range api.Routes() {
		if r.Access.Role == access.None {
			continue
		}
		fmt.Fprintf(&b, "| %s |", r.Summary)
		for _, role := range access.Roles {
			policy, err := access.New([]access.Grant{{Workspace: "w", Role: role, Users: []string{"u"}}})
			if err != nil {
				panic(err)
			}
			words := [...]string{access.Nothing: "", access.Own: "own", access.All: "yes"}
			fmt.Fprintf(&b, " %s |", words[policy.Of(access.Principal{User: "u"}).Reach(r.Access, "w")])
		}
		b.WriteString("\n")
	}
	return b.String()
}
