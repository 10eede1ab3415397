package caddymodule

import (
	"fmt"
	"strconv"

	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"

	"github.com/livygateway/livygateway/caddymodule/internal/directive"
	"github.com/livygateway/livygateway/internal/budgets"
	"github.com/livygateway/livygateway/internal/notices"
)

// budgetSettings returns the budgets and quotas for package budgets.
func (a *App) budgetSettings() budgets.Settings {
	return budgets.Settings{Budgets: a.Budgets, Quotas: a.Quotas}
}

// checkWebhooks checks that the secrets of webhooks are placeholders. It must be called before
// placeholders are replaced.
func (a *App) checkWebhooks() error {
	for i := range a.Webhooks {
		if !placeholder.MatchString(a.Webhooks[i].Secret) {
			return fmt.Errorf("webhook: needs a secret, which must be a placeholder, {file.PATH} or {env.NAME}, not the secret itself")
		}
	}
	return nil
}

// validateBudgets checks budgets, quotas and webhooks.
func (a *App) validateBudgets() error {
	settings := a.budgetSettings()
	if err := settings.Validate(); err != nil {
		return err
	}
	urls := make(map[string]bool)
	for i := range a.Webhooks {
		w := &a.Webhooks[i]
		if err := w.Validate(); err != nil {
			return err
		}
		if urls[w.URL] {
			return fmt.Errorf("webhook: the one at %s is given twice", w.Name())
		}
		urls[w.URL] = true
	}
	return nil
}

// unmarshalBudget parses the option
//
//	budget <name> {
//	    per         user|token|gateway|workspace
//	    match       <pattern>...
//	    period      day|month
//	    vcore_hours [soft <hours>] [hard <hours>]
//	    gb_hours    [soft <hours>] [hard <hours>]
//	    on_exceed   refuse|stop
//	    reserve     <duration>
//	}
func (a *App) unmarshalBudget(d *caddyfile.Dispenser) error {
	var b budgets.Budget
	if err := directive.Text(d, &b.Name); err != nil {
		return err
	}
	texts := map[string]*string{"per": &b.Per, "period": &b.Period, "on_exceed": &b.OnExceed, "reserve": &b.Reserve}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		option := d.Val()
		var err error
		switch {
		case texts[option] != nil && *texts[option] != "":
			return d.Errf("option %q of budget is given twice", option)
		case texts[option] != nil:
			err = directive.Text(d, texts[option])
		case option == "match":
			err = directive.Append(d, &b.Match)
		case option == "vcore_hours":
			err = unmarshalBounds(d, &b.VCoreHours)
		case option == "gb_hours":
			err = unmarshalBounds(d, &b.GBHours)
		default:
			return d.Errf("unknown option %q of budget", option)
		}
		if err != nil {
			return err
		}
	}
	a.Budgets = append(a.Budgets, b)
	return nil
}

// unmarshalBounds parses "vcore_hours soft 80 hard 100".
func unmarshalBounds(d *caddyfile.Dispenser, b *budgets.Bounds) error {
	option, args := d.Val(), d.RemainingArgs()
	if *b != (budgets.Bounds{}) {
		return d.Errf("option %q of budget is given twice", option)
	}
	if len(args) == 0 || len(args)%2 != 0 {
		return d.Errf("%s: give bounds, as in: %s soft 80 hard 100", option, option)
	}
	for i := 0; i < len(args); i += 2 {
		target := map[string]*float64{"soft": &b.Soft, "hard": &b.Hard}[args[i]]
		n, err := strconv.ParseFloat(args[i+1], 64)
		switch {
		case target == nil:
			return d.Errf("%s: %q must be soft or hard, as in: %s soft 80 hard 100", option, args[i], option)
		case *target != 0:
			return d.Errf("%s: %s is given twice", option, args[i])
		case err != nil || !(n > 0):
			return d.Errf("%s: %q is not a number of hours above 0", option, args[i+1])
		}
		*target = n
	}
	return nil
}

// unmarshalQuota parses the option
//
//	quota <name> {
//	    match           <pattern>...
//	    max_sessions    <number>
//	    max_batches     <number>
//	    driver_memory   <size>
//	    driver_cores    <number>
//	    executor_memory <size>
//	    executor_cores  <number>
//	    max_executors   <number>
//	}
func (a *App) unmarshalQuota(d *caddyfile.Dispenser) error {
	var q budgets.Quota
	if err := directive.Text(d, &q.Name); err != nil {
		return err
	}
	texts := map[string]*string{"driver_memory": &q.DriverMemory, "executor_memory": &q.ExecutorMemory}
	numbers := map[string]*int{
		"max_sessions": &q.MaxSessions, "max_batches": &q.MaxBatches, "driver_cores": &q.DriverCores,
		"executor_cores": &q.ExecutorCores, "max_executors": &q.MaxExecutors,
	}
	for nesting := d.Nesting(); d.NextBlock(nesting); {
		option := d.Val()
		text, number := texts[option], numbers[option]
		switch {
		case text != nil && *text != "" || number != nil && *number != 0:
			return d.Errf("option %q of quota is given twice", option)
		case text != nil:
			if err := directive.Text(d, text); err != nil {
				return err
			}
		case number != nil:
			var value string
			if !d.AllArgs(&value) {
				return d.ArgErr()
			}
			n, err := strconv.Atoi(value)
			if err != nil || n < 1 {
				return d.Errf("%s: %q is not a number above 0", option, value)
			}
			*number = n
		case option == "match":
			if err := directive.Append(d, &q.Match); err != nil {
				return err
			}
		default:
			return d.Errf("unknown option %q of quota", option)
		}
	}
	a.Quotas = append(a.Quotas, q)
	return nil
}

// unmarshalWebhook parses the option
//
//	webhook <url> {
//	    secret {file.<path>}|{env.<name>}
//	    events <event>...
//	}
func (a *App) unmarshalWebhook(d *caddyfile.Dispenser) error {
	var w notices.Webhook
	if err := readEntry(d, &w); err != nil {
		return err
	}
	a.Webhooks = append(a.Webhooks, w)
	return nil
}
