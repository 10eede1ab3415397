package caddymodule

import (
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig/httpcaddyfile"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/gateway"
)

func init() {
	caddy.RegisterModule(new(SparkUI))
}

// SparkUI is the handler of a site that shows the Spark UIs of all gateways and nothing
// else. Its address is the option `spark_ui` of the `livy` app. Pages of a Spark UI come
// from drivers, which run users' code: on a host of their own their scripts share no
// origin, login or cookie with the gateways and the management API.
//
// While there is such a site, `livy_gateway` shows no Spark UIs.
type SparkUI struct {
	// Whether only the Spark UIs of gateways that are public are shown.
	Public bool `json:"public,omitempty"`

	inner *Gateway
}

// CaddyModule returns the Caddy module information.
func (*SparkUI) CaddyModule() caddy.ModuleInfo {
	return caddy.ModuleInfo{
		ID: "http.handlers.livy_spark_ui", New: func() caddy.Module { return new(SparkUI) },
	}
}

// Provision finds the app.
func (h *SparkUI) Provision(ctx caddy.Context) error {
	app, err := appOf(ctx)
	if err != nil {
		return err
	}
	if app.sparkUI == "" {
		return errors.New("livy_spark_ui: the livy block must say where this site is, " +
			"e.g. spark_ui https://ui.example.com")
	}
	h.inner = &Gateway{
		Public: h.Public, core: app.core, log: ctx.Logger(), access: newAccessLog(ctx), uiSite: true,
	}
	return nil
}

var errOnlyUIs = gateway.Errorf(gateway.KindNotFound,
	"this site shows Spark UIs only, at "+gateway.EndpointPrefix+"{workspace}/"+gateway.EndpointMiddle+
		"/{gateway}"+gateway.SparkUIPath+"{record}/; caddy livy session ui makes a link to one")

// ServeHTTP serves Spark UIs.
func (h *SparkUI) ServeHTTP(w http.ResponseWriter, r *http.Request, _ caddyhttp.Handler) error {
	if h.inner.access != nil {
		defer h.inner.access.take(w, r)()
	}
	api.Harden(w.Header())
	_, err := h.inner.core.manager.Awake(r.Context())
	if err == nil {
		var done bool
		if done, err = h.inner.serveSparkUI(w, r); !done {
			err = errOnlyUIs
		}
	}
	if err != nil {
		h.inner.fail(w, r, err)
	}
	return nil
}

// parseSiteOrigin reads the address of a site as browsers name it: scheme, host, and
// port where it is not the scheme's own.
func parseSiteOrigin(text string) (string, error) {
	bad := func(rule string) error { return gateway.Invalid("spark_ui", text, rule) }
	u, err := url.Parse(text)
	if err != nil || u.Scheme != "https" && u.Scheme != "http" || u.Host == "" {
		return "", bad("must be the address of a site, e.g. https://ui.example.com")
	}
	if u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.ForceQuery || u.Fragment != "" {
		return "", bad("must have nothing after the host and port, and no login")
	}
	host := strings.ToLower(u.Host)
	if !policyHost.MatchString(host) {
		return "", bad("must have a host name or an IPv4 address, which a Content-Security-Policy can name")
	}
	if port := u.Port(); port != "" && port == defaultPort(u.Scheme) {
		host = strings.TrimSuffix(host, ":"+port)
	}
	return u.Scheme + "://" + host, nil
}

func defaultPort(scheme string) string {
	if scheme == "https" {
		return "443"
	}
	return "80"
}

// parseSparkUI reads the directive
//
//	livy_spark_ui [<matcher>] {
//	    public
//	}
func parseSparkUI(h httpcaddyfile.Helper) (caddyhttp.MiddlewareHandler, error) {
	h.Next() // livy_spark_ui
	if h.NextArg() {
		return nil, h.ArgErr()
	}
	ui := new(SparkUI)
	for h.NextBlock(0) {
		if h.Val() != "public" {
			return nil, h.Errf("unknown option %q of livy_spark_ui", h.Val())
		}
		if err := flagArg(h.Dispenser, &ui.Public); err != nil {
			return nil, err
		}
	}
	return ui, nil
}

// Interface guards
var (
	_ caddy.Provisioner           = (*SparkUI)(nil)
	_ caddyhttp.MiddlewareHandler = (*SparkUI)(nil)
)
