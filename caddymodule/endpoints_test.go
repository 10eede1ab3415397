package caddymodule_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/alicebob/miniredis/v2"
	"github.com/caddyserver/caddy/v2"
	"github.com/caddyserver/caddy/v2/caddyconfig"
	"github.com/caddyserver/caddy/v2/modules/caddyhttp"

	"github.com/livygateway/livygateway/caddymodule/internal/caddytest"
	"github.com/livygateway/livygateway/caddymodule/internal/core"
	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy/livytest"
)

// TestEndpoints checks the addresses of gateways that are read from sites.
func TestEndpoints(t *testing.T) {
	redis := miniredis.RunT(t).Addr()
	const etl = "/api/v1/workspace/default/livycompute/etl"
	t.Setenv("LIVY_HOST", "env.example.com")
	for _, tt := range []struct {
		name, sites string
		want        []string
	}{
		{"a host", "livy.example.com {\nlivy_gateway\n}", []string{"https://livy.example.com" + etl}},
		{"a port", "livy.example.com:8443 {\nlivy_gateway\n}", []string{"https://livy.example.com:8443" + etl}},
		{"plain HTTP", "http://livy.example.com {\nlivy_gateway\n}", []string{"http://livy.example.com" + etl}},
		{
			"several hosts", "a.example.com, http://b.example.com:8080 {\nlivy_gateway\n}",
			[]string{"https://a.example.com" + etl, "http://b.example.com:8080" + etl},
		},
		{"no host", ":8080 {\nlivy_gateway\n}", []string{"http://reached.example.com:8080" + etl}},
		{
			"an address to listen on", "http://:8080 {\nbind 0.0.0.0 192.0.2.7\nlivy_gateway\n}",
			[]string{"http://reached.example.com:8080" + etl, "http://192.0.2.7:8080" + etl},
		},
		{"IPv6", "http://:8080 {\nbind [2001:db8::7]\nlivy_gateway\n}", []string{"http://[2001:db8::7]:8080" + etl}},
		{"a Unix socket", "http://livy.example.com {\nbind unix//run/livy.sock\nlivy_gateway\n}", nil},
		{"a placeholder", "http://{env.LIVY_HOST} {\nlivy_gateway\n}", []string{"http://env.example.com" + etl}},
		{"a prefix", "example.com {\nhandle_path /livy/* {\nlivy_gateway\n}\n}", []string{"https://example.com/livy" + etl}},
		{"nested prefixes", "example.com {\nhandle_path /a/* {\nuri strip_prefix /b\nlivy_gateway\n}\n}", []string{"https://example.com/a/b" + etl}},
		{
			"the prefix of another handler", "example.com {\nhandle_path /other/* {\nrespond ok\n}\nhandle {\nlivy_gateway\n}\n}",
			[]string{"https://example.com" + etl},
		},
		{
			"hosts of matchers", "http://:8080 {\n@a host a.example.com\nhandle @a {\nlivy_gateway\n}\n}",
			[]string{"http://a.example.com:8080" + etl},
		},
		{"a named route", "&(livy) {\nroute {\nlivy_gateway\n}\n}\nexample.com {\ninvoke livy\n}", []string{"https://example.com" + etl}},
		{"one gateway", "etl.example.com {\nlivy_gateway etl\n}", []string{"https://etl.example.com"}},
		{"one gateway below a prefix", "example.com {\nhandle_path /etl/* {\nlivy_gateway etl\n}\n}", []string{"https://example.com/etl"}},
		{"another gateway", "example.com {\nlivy_gateway other\n}", nil},
		{"another workspace", "example.com {\nlivy_gateway etl {\nworkspace team\n}\n}", nil},
		{"a public site", "example.com {\nlivy_gateway {\npublic\n}\n}", []string{"https://example.com" + etl + " public"}},
		{
			"an address that is set", ":8080 {\nlivy_gateway {\nendpoint https://{env.LIVY_HOST}:8443/spark/\n}\n}",
			[]string{"https://env.example.com:8443/spark" + etl},
		},
		{"no site with gateways", "example.com {\nrespond ok\n}", nil},
		{"the same site twice", "example.com {\n@a path /a/*\nlivy_gateway @a\nlivy_gateway\n}", []string{"https://example.com" + etl}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			text := fmt.Sprintf("{\nadmin off\nstorage file_system %s\nlivy {\nredis redis://%s/0\nruntime static\nengine x {\nurl http://127.0.0.1:1\n}\n}\n}\n%s", t.TempDir(), redis, tt.sites)
			adapted, _, err := caddyconfig.GetAdapter("caddyfile").Adapt([]byte(text), nil)
			if err != nil {
				t.Fatal(err)
			}
			config := new(caddy.Config)
			if err := json.Unmarshal(adapted, config); err != nil {
				t.Fatal(err)
			}
			ctx, err := caddy.ProvisionContext(config)
			if err != nil {
				t.Fatal(err)
			}
			app, err := ctx.AppIfConfigured("http")
			if err != nil {
				t.Fatal(err)
			}
			g := &gateway.Gateway{ID: "lc-1", Workspace: "default", Spec: gateway.Spec{Name: "etl", Public: true}}
			var got []string
			for _, e := range api.Endpoints(core.SitesOf(app.(*caddyhttp.App)), g, "reached.example.com:2019") {
				if e.Public {
					e.URL += " public"
				}
				got = append(got, e.URL)
			}
			if !slices.Equal(got, tt.want) {
				t.Errorf("endpoints %q, want %q", got, tt.want)
			}
		})
	}
}

// TestEndpointsAfterAReload checks that the API shows the sites of the configuration in force, and
// leaves a private gateway out of public ones.
func TestEndpointsAfterAReload(t *testing.T) {
	s := caddytest.New(t, livytest.New())
	show := func() (urls []string) {
		t.Helper()
		var got struct{ Endpoints []api.Endpoint }
		s.Manage("GET", "", &got)
		for _, e := range got.Endpoints {
			urls = append(urls, e.URL)
		}
		return urls
	}
	before := []string{"http://" + s.Address + caddytest.Prefix}
	if got := show(); !slices.Equal(got, before) {
		t.Errorf("endpoints %q, want %q", got, before)
	}
	s.Load(strings.Replace(s.Config, "\tlivy_gateway\n", "\tlivy_gateway {\n\t\tendpoint https://livy.example.com\n\t}\n", 1))
	if got, want := show(), []string{"https://livy.example.com" + caddytest.Prefix}; !slices.Equal(got, want) {
		t.Errorf("after a reload: endpoints %q, want %q", got, want)
	}
}
