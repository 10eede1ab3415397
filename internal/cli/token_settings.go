package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/livygateway/livygateway/internal/tokens"
)

// tokenFlags adds the flags for the settings of a token; read returns those that were set.
func tokenFlags(cmd *cobra.Command) (read func() tokens.Settings) {
	f := cmd.Flags()
	name := f.String("name", "", "Name of the token")
	days := new(int)
	f.Var(daysValue{days}, "expire-days", "Days until it expires, at least 1 (default 365, or the operator's max_lifetime if that is less)")
	scopes := f.StringSlice("scope", nil, "Permissions: "+strings.Join(scopeNames(), ", ")+" (default: all)")
	cidrs := f.StringSlice("cidr", nil, "Address range that may use it, e.g. 10.0.0.0/8 (default: all)")
	identity := f.String("identity", "", "User that its jobs run as, instead of the gateway's")
	queue := f.String("queue", "", "Queue of its jobs, instead of the gateway's")
	sessions := f.Int("max-sessions", 0, "Maximum number of live sessions (0: no limit)")
	batches := f.Int("max-batches", 0, "Maximum number of live batches (0: no limit)")
	rate := f.Float64("requests-per-second", 0, "Maximum requests per second (0: no limit)")
	complete(cmd, "scope", words(scopeNames()...))
	for _, flag := range []string{
		"name", "expire-days", "cidr", "identity", "queue", "max-sessions",
		"max-batches", "requests-per-second",
	} {
		complete(cmd, flag, nothing)
	}
	return func() (s tokens.Settings) {
		given := func(flag string) bool { return f.Changed(flag) }
		s.Name = ifGiven(given("name"), name)
		s.ExpireDays = ifGiven(given("expire-days"), days)
		s.CIDRs = ifGiven(given("cidr"), cidrs)
		s.Identity = ifGiven(given("identity"), identity)
		s.Queue = ifGiven(given("queue"), queue)
		s.MaxSessions = ifGiven(given("max-sessions"), sessions)
		s.MaxBatches = ifGiven(given("max-batches"), batches)
		s.RequestsPerSecond = ifGiven(given("requests-per-second"), rate)
		if given("scope") {
			all := make([]tokens.Scope, len(*scopes))
			for i, scope := range *scopes {
				all[i] = tokens.Scope(scope)
			}
			s.Scopes = &all
		}
		return s
	}
}

// scopeNames returns the names of all scopes.
func scopeNames() []string {
	names := make([]string, len(tokens.AllScopes))
	for i, scope := range tokens.AllScopes {
		names[i] = string(scope)
	}
	return names
}

func ifGiven[T any](given bool, v *T) *T {
	if given {
		return v
	}
	return nil
}
