// Package directive has what the Caddyfile directives and options of Livy Gateway share: the
// order of directives, and parsing of arguments.
package directive

import (
	"fmt"
	"math"
	"net/url"
	"slices"
	"strconv"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/caddyfile"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/dustin/go-humanize"
)

func init() {
	// Health, API, console and Spark UIs pass other requests on to the next handler. The order is
	// set here and not where each is registered, since it would then depend on the order in which
	// packages are initialized.
	for _, name := range []string{"livy_health", "livy_managed_api", "livy_api", "livy_console", "livy_spark_ui", "livy_gateway"} {
		httpcaddyfile.RegisterDirectiveOrder(name, httpcaddyfile.Before, "respond")
	}
}

// Size parses an option's only argument, a size such as 1MiB.
func Size(d *caddyfile.Dispenser, target *int64) error {
	option := d.Val()
	var text string
	if !d.AllArgs(&text) {
		return d.ArgErr()
	}
	size, err := humanize.ParseBytes(text)
	if err != nil || size > math.MaxInt64 {
		return d.Errf("%s: %q is not a size such as 1MiB", option, text)
	}
	*target = int64(size)
	return nil
}

// Limit is Duration for an option that also accepts "never", which stands for the value never.
func Limit(d *caddyfile.Dispenser, target *caddy.Duration, never caddy.Duration) error {
	option, args := d.Val(), d.RemainingArgs()
	if len(args) != 1 {
		return d.ArgErr()
	}
	if args[0] == "never" {
		*target = never
		return nil
	}
	duration, err := caddy.ParseDuration(args[0])
	if err != nil {
		return d.Errf("%s: %v", option, err)
	}
	*target = caddy.Duration(duration)
	return nil
}

// Duration parses an option's only argument, a duration such as 3m.
func Duration(d *caddyfile.Dispenser, target *caddy.Duration) error {
	option := d.Val()
	var text string
	if !d.AllArgs(&text) {
		return d.ArgErr()
	}
	duration, err := caddy.ParseDuration(text)
	if err != nil {
		return d.Errf("%s: %v", option, err)
	}
	*target = caddy.Duration(duration)
	return nil
}

// Text parses an option's only argument. An empty argument is an error: it usually comes from
// {$NAME} of a variable that is not set, and would have the same effect as leaving the option
// out.
func Text(d *caddyfile.Dispenser, target *string) error {
	option := d.Val()
	if !d.AllArgs(target) {
		return d.ArgErr()
	}
	if *target == "" {
		return Empty(d, option)
	}
	return nil
}

// CheckAddress checks the address of a site. It may be empty.
func CheckAddress(address string) error {
	if address == "" {
		return nil
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "" {
		return fmt.Errorf("must be the address of a site, such as https://livy.example.com (got %q)", address)
	}
	return nil
}

// Empty returns the error for an empty argument.
func Empty(d *caddyfile.Dispenser, option string) error {
	return d.Errf("%s: its argument is empty: set the environment variable if it is one, or leave the option out", option)
}

// Flag parses an option without arguments.
func Flag(d *caddyfile.Dispenser, target *bool) error {
	*target = true
	if d.NextArg() {
		return d.ArgErr()
	}
	return nil
}

// Append parses an option's arguments, at least one, and appends them to a list.
func Append(d *caddyfile.Dispenser, list *[]string) error {
	option, args := d.Val(), d.RemainingArgs()
	if len(args) == 0 {
		return d.ArgErr()
	}
	if slices.Contains(args, "") {
		return Empty(d, option)
	}
	*list = append(*list, args...)
	return nil
}

// Number parses an option's only argument. It returns nil if there is none and none is wanted.
func Number(d *caddyfile.Dispenser, wanted bool) (*int, error) {
	option := d.Val()
	args := d.RemainingArgs()
	if len(args) == 0 && !wanted {
		return nil, nil
	}
	if len(args) != 1 {
		return nil, d.ArgErr()
	}
	n, err := strconv.Atoi(args[0])
	if err != nil {
		return nil, d.Errf("%s: %q is not a number", option, args[0])
	}
	return &n, nil
}

// Options parses a block of options that have one value each, given once.
func Options(d *caddyfile.Dispenser, options map[string]*string) error {
	return OptionLists(d, options, nil)
}

// OptionLists is Options with additional options that have several values.
func OptionLists(d *caddyfile.Dispenser, options map[string]*string, lists map[string]*[]string) error {
	d.Next() // the module's name
	if d.NextArg() {
		return d.ArgErr()
	}
	for d.NextBlock(0) {
		target, ok := options[d.Val()]
		list, several := lists[d.Val()]
		if !ok && !several {
			return d.Errf("unknown option %q", d.Val())
		}
		if ok && *target != "" || several && len(*list) > 0 {
			return d.Errf("option %q is given twice", d.Val())
		}
		if several {
			if *list = d.RemainingArgs(); len(*list) == 0 {
				return d.ArgErr()
			}
		} else if err := Text(d, target); err != nil {
			return err
		}
	}
	return nil
}
