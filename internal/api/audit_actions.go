package api

import (
	"maps"
	"slices"
	"strings"

	"github.com/livygateway/livygateway/internal/gateway"
)

// auditActions are the actions of audit entries, by their beginnings. Those of request
// are named after Livy's routes.
var auditActions = map[string][]string{
	"gateway": {
		"create", "update", "delete", "start", "stop", "restart", "wake", "declare", "undeclare",
		"created", "starting", "running", "stopping", "stopped", "error",
	},
	"token":      {"create", "update", "reset", "disable", "enable", "revoke"},
	"access-key": {"create", "disable", "enable", "delete"},
	"managed":    {},
	"record":     {"close", "ui-link"},
	"request":    nil,
	"api":        {},
	"refusals":   {},
}

// checkAction refuses a filter by an action that no entry has.
func checkAction(action string) error {
	if action == "" {
		return nil
	}
	kind, verb, both := strings.Cut(action, ".")
	verbs, ok := auditActions[kind]
	known := slices.Sorted(maps.Keys(auditActions))
	switch {
	case !ok:
	case !both || verbs == nil && verb != "" || slices.Contains(verbs, verb):
		return nil
	default:
		known = nil
		for _, v := range verbs {
			known = append(known, kind+"."+v)
		}
	}
	rule := "must be one of: " + strings.Join(known, ", ")
	if near := gateway.Similar(action, known); near != "" {
		rule += "; did you mean " + near + "?"
	}
	return gateway.Invalid("action", action, rule)
}
