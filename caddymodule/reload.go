package caddymodule

import (
	"context"
	"fmt"
	"time"

	"github.com/caddyserver/caddy/v2"
)

// checkReload returns an error if the configuration is to replace a running one, and its Redis or
// what runs its Livy servers does not answer. The running configuration then stays in force. At
// the start of Caddy there is nothing to keep, so the core waits for them instead, as it does
// if they are in use already.
func (a *App) checkReload() error {
	if !replacing() || a.core.Started() {
		return nil
	}
	if err := a.core.Answers(context.Background()); err != nil {
		return fmt.Errorf("the configuration in force stays: %w", err)
	}
	return nil
}

// replacing reports whether Caddy runs with a configuration that another one would replace.
func replacing() bool { return caddy.ActiveContext().Context != nil }

// activePoll is the pause between two looks whether a configuration has replaced the one before.
const activePoll = 5 * time.Millisecond

// awaitActive waits until Caddy runs with the configuration of the app. It reports false if that
// was given up instead, which ends ctx, or replaced already.
func (a *App) awaitActive(ctx context.Context) bool {
	tick := time.NewTicker(activePoll)
	defer tick.Stop()
	for {
		if active, err := caddy.ActiveContext().AppIfConfigured("livy"); err == nil && active == a {
			return true
		}
		select {
		case <-ctx.Done():
			return false
		case <-tick.C:
		}
	}
}
