package caddymodule

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/livygateway/livygateway/internal/doctor"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/upstream"
)

// patient is a configuration that the doctor checks, whether it is in force or not.
type patient struct {
	config  *config
	app     *App
	http    *caddyhttp.App // nil without sites
	running bool
	// admin are the addresses at which other machines can reach the admin endpoint.
	admin []string
}

// examine runs all checks.
func (p *patient) examine(ctx context.Context) doctor.Report {
	c := p.app.core
	return doctor.Run(ctx,
		func(context.Context) []doctor.Result { return slices.Concat(p.examineConfig(), p.examineFiles()) },
		func(ctx context.Context) []doctor.Result { return c.Store.Examine(ctx, p.app.Redis.Embedded) },
		func(ctx context.Context) []doctor.Result {
			if e, ok := c.Manager.Runtime.(upstream.Examiner); ok {
				return e.Examine(ctx, p.catalog(ctx))
			}
			return nil
		},
		c.Manager.Examine,
		func(context.Context) []doctor.Result {
			return slices.Concat(p.examineSites(), p.examineUIs(), p.examineLogins(), p.examineRoles(), p.examineListeners())
		},
		func(ctx context.Context) []doctor.Result {
			return p.examineAccessKeys(ctx)
		},
		func(context.Context) []doctor.Result {
			return append([]doctor.Result{p.examineAdmin()}, p.examineReach()...)
		},
		func(context.Context) []doctor.Result {
			return []doctor.Result{doctor.Clock(), doctor.Disk("disk of Caddy's data", caddy.AppDataDir())}
		},
	)
}

// catalog returns the catalog with the sizes that it lists and those that gateways use.
func (p *patient) catalog(ctx context.Context) *gateway.Catalog {
	m := p.app.core.Manager
	c := *m.Catalog()
	c.CPUs, c.Memories = slices.Clone(c.CPUs), slices.Clone(c.Memories)
	add := func(s *gateway.Spec) {
		if s.CPU != 0 && !slices.Contains(c.CPUs, s.CPU) {
			c.CPUs = append(c.CPUs, s.CPU)
		}
		if s.Memory != "" && !slices.Contains(c.Memories, s.Memory) {
			c.Memories = append(c.Memories, s.Memory)
		}
	}
	for i := range p.app.declared {
		add(&p.app.declared[i].Spec)
	}
	stored, _ := m.List(ctx, "") // that Redis is unreachable is reported by the store
	for _, g := range stored {
		add(&g.Spec)
	}
	return &c
}

// ServeDoctor handles GET /livy/doctor on the admin endpoint. It checks the configuration in
// force.
func (*App) ServeDoctor(w http.ResponseWriter, r *http.Request) error {
	config, err := configInForce(r)
	if err != nil {
		return caddy.APIError{HTTPStatus: http.StatusInternalServerError, Err: err}
	}
	report := examineContext(r.Context(), caddy.ActiveContext(), config, true, exposed(r))
	w.Header().Set("Content-Type", "application/json")
	return json.NewEncoder(w).Encode(report)
}

// configInForce returns Caddy's configuration as it was loaded. Only the admin endpoint has it,
// so its handler is called directly, without a connection.
func configInForce(r *http.Request) (*config, error) {
	server, ok := r.Context().Value(http.ServerContextKey).(*http.Server)
	if !ok {
		return nil, errors.New("the admin endpoint has no server")
	}
	ask := r.Clone(r.Context())
	ask.Method, ask.RequestURI, ask.Body = http.MethodGet, "/config/", http.NoBody
	ask.URL.Path, ask.URL.RawPath = "/config/", ""
	w := httptest.NewRecorder()
	server.Handler.ServeHTTP(w, ask)
	if w.Code != http.StatusOK {
		return nil, fmt.Errorf("the admin endpoint answers %d for its configuration", w.Code)
	}
	return readConfig(w.Body.Bytes())
}

// examineFile runs the checks for a configuration file, in this process.
func examineFile(ctx context.Context, file, adapter string) (doctor.Report, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return doctor.Report{}, gateway.Wrap(gateway.KindInvalid, "reading the configuration", err)
	}
	if adapter == "" && (strings.HasPrefix(filepath.Base(file), "Caddyfile") || strings.HasSuffix(file, ".caddyfile")) {
		adapter = "caddyfile"
	}
	if adapter != "" {
		a := caddyconfig.GetAdapter(adapter)
		if a == nil {
			return doctor.Report{}, gateway.Invalid("--adapter", adapter, "is not built into this Caddy")
		}
		if text, _, err = a.Adapt(text, map[string]any{"filename": file}); err != nil {
			return doctor.Report{}, gateway.Wrap(gateway.KindInvalid, "reading the configuration", err)
		}
	}
	config, err := readConfig(text)
	if err != nil {
		return doctor.Report{}, gateway.Wrap(gateway.KindInvalid, "reading the configuration", err)
	}
	var full caddy.Config
	if err := json.Unmarshal(text, &full); err != nil {
		return doctor.Report{}, gateway.Wrap(gateway.KindInvalid, "reading the configuration", err)
	}
	// Problems are reported as results. The log files belong to a running Caddy.
	full.Logging = &caddy.Logging{Logs: map[string]*caddy.CustomLog{
		caddy.DefaultLoggerName: {BaseLog: caddy.BaseLog{WriterRaw: json.RawMessage(`{"output":"discard"}`)}},
	}}
	provisioned, err := caddy.ProvisionContext(&full)
	if err != nil {
		return doctor.Run(ctx, func(context.Context) []doctor.Result {
			return []doctor.Result{doctor.Failure("configuration", err.Error(),
				"correct it; caddy validate --config "+file+" prints the same error")}
		}), nil
	}
	return examineContext(ctx, provisioned, config, false, config.exposedAdmin()), nil
}

func examineContext(
	ctx context.Context, from caddy.Context, config *config, running bool, admin []string,
) doctor.Report {
	p := patient{config: config, running: running, admin: admin}
	if app, err := from.AppIfConfigured("http"); err == nil {
		p.http, _ = app.(*caddyhttp.App)
	}
	app, err := from.AppIfConfigured("livy")
	if err != nil {
		return doctor.Run(ctx, func(context.Context) []doctor.Result {
			return []doctor.Result{doctor.Failure("configuration", "it has no livy app",
				"add the global option livy, see Caddyfile.example")}
		})
	}
	p.app = app.(*App)
	if !running {
		p.app.core.Manager.Configure(p.app.settings())
	}
	return p.examine(ctx)
}
