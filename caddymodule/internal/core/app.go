package core

import (
	"net/http"

	"github.com/caddyserver/caddy/v2"

	"github.com/livygateway/livygateway/internal/access"
	"github.com/livygateway/livygateway/internal/tokens"
)

// App is the livy app as the handlers see it. Their packages do not import the app's.
type App interface {
	// Core returns the core that the configuration shares with earlier and later ones.
	Core() *Core
	// SparkUISite returns the address of the site that shows the Spark UIs of all
	// gateways, "" if the gateways' own sites do.
	SparkUISite() string
	// AccessPolicy returns who may do what through the management API on sites, nil if the
	// configuration has no roles.
	AccessPolicy() *access.Policy
	// SelfService returns the limits on tokens that users make for themselves.
	SelfService() tokens.SelfService
	// ServeDoctor answers a request of the admin endpoint with what is wrong.
	ServeDoctor(w http.ResponseWriter, r *http.Request) error
}

// AppOf returns the livy app of the configuration that a context belongs to.
func AppOf(ctx caddy.Context) (App, error) {
	app, err := ctx.App("livy")
	if err != nil {
		return nil, err
	}
	return app.(App), nil
}

// Of returns the core of the configuration that a context belongs to.
func Of(ctx caddy.Context) (*Core, error) {
	app, err := AppOf(ctx)
	if err != nil {
		return nil, err
	}
	return app.Core(), nil
}
