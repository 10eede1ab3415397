package cli

import (
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/spf13/cobra"

	"github.com/livygateway/livygateway/internal/golden"
)

// goldens are a transcript each: the text, the JSON, and the errors of a command.
var goldens = []struct {
	name  string
	setup []func(*world)
	lines []string
}{
	{"gateway-create", nil, []string{
		"gateway create etl --cpu 2 --memory 8Gi --queue root.etl --auto-stop 45 --auto-start --directory=",
		"gateway create etl --cpu 2 --memory 8Gi --queue root.etl --auto-stop 45 --auto-start",
		"gateway create adhoc --json",
		"gateway create runs --start --wait",
		"gateway create etl",
		"gateway create etl --json",
		"gateway create Wrong_Name",
		"gateway create x --cpu 3",
		"gateway create x --cpu many",
		"gateway create x --livy-conf DIR/none",
		"gateway create x --wait",
		"gateway create x --cpu 2x",
		"gateway create",
	}},
	{"gateway-update", []func(*world){running}, []string{
		"gateway update etl --memory 16Gi",
		"gateway restart-needed",
		"gateway restart-needed etl --json",
		"gateway update etl --restart --wait --json",
		"gateway restart-needed",
		"gateway update etl --unset queue",
		"gateway update etl --engine none",
		"gateway update etl --unset nonsense --json",
		"gateway update etl --unset policyrules",
		"gateway update etl --unset queue --queue root.b",
		"gateway update etl",
		"gateway update etl --cpu 4 --wait",
		"gateway update none --cpu 2",
	}},
	{"gateway-restart-needed", []func(*world){etl}, []string{
		"gateway restart-needed --all",
		"gateway restart-needed --json",
		"gateway restart-needed none",
		"gateway restart-needed a b --json",
	}},
	{"gateway-list", []func(*world){etl, func(w *world) {
		w.must("gateway create a-gateway-with-a-name-that-is-longer-than-what-fits-a-line --engine spark-3.4-with-a-rather-long-name", nil)
		w.must("gateway create other --workspace lab", nil)
	}}, []string{
		"gateway list",
		"gateway list --all",
		"gateway list --wide",
		"gateway list --workspace lab --json",
		"gateway list --state Running",
		"gateway list --state Runing",
		"gateway list --workspace none --json",
		"gateway list etl",
	}},
	{"gateway-show", []func(*world){running}, []string{
		"gateway show etl",
		"gateway show etl --json",
		"gateway show none",
		"gateway show none --json",
		"gateway show",
	}},
	{"gateway-life", []func(*world){etl}, []string{
		"gateway start etl --wait",
		"gateway restart etl --wait --json",
		"gateway restart etl --drain",
		"gateway restart etl --drain 30m --json",
		"gateway restart etl --drain soon",
		"gateway restart etl --drain=0s",
		"gateway restart etl --drain --now",
		"gateway update etl --cpu 4 --drain",
		"gateway stop etl --wait",
		"gateway stop etl --wait --json",
		"gateway restart etl",
		"gateway restart etl --json",
		"gateway start none",
		"gateway stop none --json",
		"gateway start etl --wait --timeout 0s --json",
	}},
	{"gateway-logs", []func(*world){running}, []string{
		"gateway logs etl --lines 2",
		"gateway logs etl --json",
		"gateway logs etl --lines 0",
		"gateway logs etl --lines 0 --follow",
		"gateway logs none --json",
	}},
	{"gateway-delete", []func(*world){running, func(w *world) { w.must("gateway create spare", nil) }}, []string{
		"gateway delete etl",
		"gateway delete etl --json",
		"gateway delete etl --yes",
		"gateway delete etl --force",
		"gateway delete spare --yes --json",
		"gateway delete spare --yes",
	}},
	{"token-create", []func(*world){etl}, []string{
		"token create --gateway etl --name airflow --expire-days 90",
		"token create --gateway etl --scope read --json",
		"token create --gateway etl --name hers --owner vera --identity vera --json",
		"token list --gateway etl --owner vera",
		"token create --gateway etl --token-file -",
		"token create --gateway etl --name airflow",
		"token create --gateway none",
		"token create --gateway etl --expire-days 0",
		"token create --gateway etl --scope everything --json",
		"token create --gateway etl --token-file DIR/none",
		"token create",
		"token create --json",
	}},
	{"token-list", []func(*world){token}, []string{
		"token list --gateway etl",
		"token list --gateway etl --wide",
		"token list --gateway etl --state disabled",
		"token list --gateway etl --state bogus",
		"token list --gateway etl --state active --json",
		"token list --gateway none",
		"token list --gateway none --json",
	}},
	{"token-show", []func(*world){token}, []string{
		"token show --gateway etl $TOKEN",
		"token show --gateway etl $TOKEN --json",
		"token show --gateway etl lctk-none",
		"token show --gateway etl lctk-none --json",
	}},
	{"token-update", []func(*world){token}, []string{
		"token update --gateway etl $TOKEN --name poller --scope read --max-batches 0",
		"token update --gateway etl $TOKEN --requests-per-second 2.5 --json",
		"token update --gateway etl $TOKEN --cidr nonsense",
		"token update --gateway etl lctk-none --name x --json",
		"token update --gateway etl $TOKEN",
	}},
	{"token-disable", []func(*world){token}, []string{
		"token disable --gateway etl $TOKEN",
		"token disable --gateway etl $TOKEN --json",
		"token disable --gateway etl lctk-none",
		"token enable --gateway etl $TOKEN",
		"token enable --gateway etl $TOKEN --json",
		"token enable --gateway etl lctk-none --json",
	}},
	{"token-reset", []func(*world){token}, []string{
		"token reset --gateway etl $TOKEN",
		"token reset --gateway etl $TOKEN --overlap 24h --expire-days 30 --json",
		"token reset --gateway etl $TOKEN --overlap 200h",
		"token reset --gateway etl $TOKEN --overlap tomorrow",
		"token reset --gateway etl lctk-none --json",
	}},
	{"token-revoke", []func(*world){token}, []string{
		"token revoke --gateway etl $TOKEN",
		"token revoke --gateway etl $TOKEN --json",
		"token revoke --gateway etl lctk-none --json",
		"token revoke --gateway etl",
	}},
	{"session-list", []func(*world){records}, []string{
		"session list --gateway etl",
		"session list --gateway etl --limit 1",
		"session list --gateway etl --wide",
		"session list --gateway etl --state live --json",
		"session list --gateway etl --state busy",
		"session list --gateway etl --from yesterday",
		"session list --gateway etl --limit 5000 --json",
		"session list --gateway none",
	}},
	{"session-show", []func(*world){records}, []string{
		"session show --gateway etl session:0",
		"session show --gateway etl livy-bbbbbbbbbbbbbbbb",
		"session show --gateway etl batch:0 --json",
		"session show --gateway etl session:99",
		"session show --gateway etl session:99 --json",
	}},
	{"session-close", []func(*world){records}, []string{
		"session close --gateway etl session:0",
		"session close --gateway etl session:0 --json",
		"session close --gateway etl session:99",
		"session close --gateway etl session:99 --json",
	}},
	{"session-ui", []func(*world){records}, []string{
		"session ui --gateway etl session:0",
		"session ui --gateway etl session:0 --json",
		"session ui --gateway etl batch:0",
		"session ui --gateway etl batch:0 --json",
	}},
	{"session-export", []func(*world){records}, []string{
		"session export --gateway etl",
		"session export --gateway etl --state live --json",
		"session export --gateway etl --until never",
		"session export --gateway none --json",
	}},
	{"session-statements", []func(*world){records}, []string{
		"session statements --gateway etl",
		"session statements --gateway etl --json",
		"session statements --gateway etl --offset 5",
		"session statements --gateway etl --limit 0",
		"session statements --gateway none --json",
	}},
	{"usage", []func(*world){records}, []string{
		"usage --gateway etl --from 2026-01-31 --until 2026-01-31",
		"usage --gateway etl --from 2026-01-31 --until 2026-01-31 --json",
		"usage --gateway etl --csv --from 2026-01-31 --until 2026-01-31",
		"session usage --gateway etl --from 2001-01-01 --until 2001-01-02",
		"usage --by gateway --since 2026-01-31 --until 2026-01-31",
		"usage --by token --since 2026-01-31 --until 2026-01-31 --output csv",
		"usage --by user --day 2026-01-31 --output json",
		"usage --by user --month 2026",
		"usage --by team",
		"budget list",
		"budget list --json",
		"budget show none",
		"budget show none --json",
		"usage --gateway etl --from x",
		"usage --gateway etl --from x --json",
		"session usage --gateway none",
		"usage",
	}},
	{"orphans", nil, []string{"orphans", "orphans --json", "orphans x"}},
	{"policy-show", []func(*world){policy}, []string{
		"policy show --gateway etl",
		"policy show --gateway etl --json",
		"policy show --gateway none",
		"policy show --gateway none --json",
		"policy show --gateway typos",
		"policy show --gateway typos --json",
		"gateway show typos",
	}},
	{"policy-explain", []func(*world){policy}, []string{
		"policy explain --gateway etl $BODY",
		"policy explain --gateway etl $BODY --json",
		"policy explain --gateway etl $BAD",
		"policy explain --gateway etl $BAD --json",
		"policy explain --gateway etl $BROKEN",
		"policy explain --gateway etl - --kind batch",
		"policy explain --gateway etl $BODY --kind other",
		"policy explain --gateway etl DIR/none",
		"policy explain --gateway none $BODY --json",
		"policy explain --gateway typos $SMALL",
		"policy explain --gateway etl $BODY --policy-rules $RULES",
		"policy explain --gateway etl $BODY --policy-rules $BODY",
		"policy show --gateway etl --json",
	}},
	{"access-key", []func(*world){accessKey}, []string{
		"access-key create --name scripts --role operator",
		"access-key create --name scripts --role boss",
		"access-key create --name scripts --role admin --in *,lab",
		"access-key create --name scripts",
		"access-key list",
		"access-key list --json",
		"access-key create --name scripts --role operator --in lab --user vera --json",
		"access-key show $KEY",
		"access-key show $KEY --json",
		"access-key disable $KEY",
		"access-key disable $KEY --json",
		"access-key enable $KEY",
		"access-key enable $KEY --json",
		"access-key delete $KEY",
		"access-key delete $KEY --json",
		"access-key show none --json",
		"access-key disable",
	}},
	{"access-key-off", []func(*world){func(w *world) { w.keys.Configure(nil) }}, []string{
		"access-key create --name scripts --role operator",
		"access-key create --name scripts --role operator --json",
		"access-key list",
	}},
	{"catalog", nil, []string{"catalog", "catalog --json", "catalog x", "catalog x --json"}},
	{"engine", []func(*world){etl}, []string{
		"engine list",
		"engine list --wide",
		"engine list --json",
		"engine show spark-3.5",
		"engine show spark-3.5 --json",
		"engine show none",
		"engine show none --json",
	}},
	{"environment", []func(*world){func(w *world) { w.must("gateway create etl --environment analytics", nil) }}, []string{
		"environment list",
		"environment list --json",
		"environment show analytics",
		"environment show analytics --json",
		"environment show none",
		"environment show none --json",
	}},
	{"doctor", []func(*world){sick}, []string{
		"doctor",
		"doctor --json",
		"doctor --config Caddyfile",
		"doctor --config none",
		"doctor --config none --json",
		"doctor --address 127.0.0.1:1",
	}},
	{"audit", []func(*world){etl, func(w *world) { w.must("gateway update etl --memory 16Gi --unset queue", nil) }}, []string{
		"audit list",
		"audit list --wide",
		"audit list --action gateway.update --json",
		"audit list --limit 1",
		"audit list --outcome refused",
		"audit list --outcome maybe",
		"audit list --since 1d12h",
		"audit list --from 2026-02-01 --until 2026-01-31",
		"audit list --action gateway.updat",
		"audit list --action token --from 1h --since 1h",
		"audit list --from yesterday --json",
		"audit export",
		"audit export --cursor x",
		"audit export --until x --json",
	}},
	{"events", []func(*world){etl}, []string{"events", "events --json", "events x", "events x --json"}},
	{"health", nil, []string{"health", "health --json", "health x"}},
	{"usage-errors", nil, []string{
		"gatway",
		"gateway lst",
		"gateway lst --json",
		"gateway list --nonsense",
		"gateway list --address nonsense",
		"gateway list --address 127.0.0.1:1",
		"gateway list --address 127.0.0.1:1 --json",
	}},
	{"redis-is-away", []func(*world){down}, []string{
		"gateway list",
		"gateway list --json",
		"token list --gateway etl",
		"health",
		"health --json",
	}},
}

func TestGolden(t *testing.T) {
	for _, tt := range goldens {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			poll := 50 * time.Millisecond
			if strings.HasPrefix(tt.name, "session-") || tt.name == "usage" {
				poll = time.Hour
			}
			w := newWorld(t, poll)
			for _, setup := range tt.setup {
				setup(w)
			}
			golden.File(t, filepath.Join("testdata", tt.name+".txt"), w.transcript(tt.lines))
		})
	}
}

// Every command has a text, JSON and an error in some transcript.
func TestEveryCommandHasGoldens(t *testing.T) {
	w := &world{t: t}
	var leaves []string
	walk(w.command().Commands()[0], func(cmd *cobra.Command) {
		if !cmd.HasSubCommands() {
			leaves = append(leaves, strings.TrimPrefix(cmd.CommandPath(), "caddy livy "))
		}
	})
	for _, leaf := range leaves {
		var plain, asJSON bool
		for _, tt := range goldens {
			for _, line := range tt.lines {
				if line == leaf || strings.HasPrefix(line, leaf+" ") {
					if strings.Contains(line, "--json") {
						asJSON = true
					} else {
						plain = true
					}
				}
			}
		}
		if !plain || leaf != "session usage" && !asJSON {
			t.Errorf("caddy livy %s has no transcript of its text and JSON", leaf)
		}
	}
}

func walk(cmd *cobra.Command, f func(*cobra.Command)) {
	f(cmd)
	for _, sub := range cmd.Commands() {
		walk(sub, f)
	}
}
