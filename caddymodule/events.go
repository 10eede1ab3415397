package caddymodule

import (
	"context"
	"fmt"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/modules/caddyevents"
)

// useEvents subscribes to the event that the whole configuration has been started: only then are
// gateways stopped that are no longer in it. It also prepares the emission of events.
func (a *App) useEvents(ctx caddy.Context) error {
	app, err := ctx.App("events")
	if err != nil {
		return fmt.Errorf("loading Caddy's events: %w", err)
	}
	events := app.(*caddyevents.App)
	a.emit = func(name string, data map[string]any) {
		if ctx.Err() == nil { // otherwise this configuration has no subscribers any more
			events.Emit(ctx, name, data)
		}
	}
	return events.On("started", started{a, ctx})
}

// started puts the declared gateways of an App into force.
type started struct {
	app *App
	ctx caddy.Context
}

// Handle is called when all apps of a configuration have been started. Caddy may give the
// configuration up even then, e.g. because of its remote administration.
func (s started) Handle(context.Context, caddy.Event) error {
	s.app.inForce = true
	go func() {
		if s.app.awaitActive(s.ctx) {
			s.app.core.Manager.Declare(s.app.declared)
		}
	}()
	return nil
}

// Interface guard
var _ caddyevents.Handler = started{}
