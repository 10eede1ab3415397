package livyhttp_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"reflect"
	"slices"
	"strings"
	"testing"

	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/encode"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/encode/gzip"
	_ "github.com/caddyserver/caddy/v2/modules/caddyhttp/intercept"

	"github.com/livygateway/livygateway/caddymodule/internal/caddytest"
	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/internal/ports"
)

// TestOurLineIsCaddys sends the same request to a gateway, and to a site of plain Caddy that
// replies the same, and compares the lines in the access log.
func TestOurLineIsCaddys(t *testing.T) {
	s := caddytest.New(t, livytest.New())
	const path = caddytest.Prefix + "/nowhere?a=b"
	answer := s.Do("GET", "http://"+s.Address+path, "")
	plain := ports.SpareAddress(t)
	ask := func(method, address, host, body string) {
		t.Helper()
		r, err := http.NewRequest(method, "http://"+address+path, strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		r.Host = host
		r.Header.Set("User-Agent", "a client")
		r.Header.Set("Authorization", "Basic YTpi")
		r.Header.Set("Cookie", "a=b")
		r.Header.Set("Accept-Encoding", "gzip")
		resp, err := s.Client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	for _, tc := range []struct {
		name, options, site string
		method, host, body  string
	}{
		{name: "plain"},
		{name: "HEAD", method: "HEAD"},
		{name: "a body", method: "POST", body: `{"x":"y"}`},
		{name: "another level", site: "vars log_level warn"},
		{name: "no level", site: "vars log_level nonsense"},
		{name: "another logger", site: "log_name mine"},
		{name: "two loggers", site: "log_name mine yours"},
		{name: "not logged", site: "log_skip"},
		{name: "a user", site: "vars x {http.request.host}"},
		{name: "a handler with a recorder of its own", site: "intercept {\n@not status 404\nreplace_status @not 418\n}"},
		{name: "compressed", site: "encode gzip {\nminimum_length 1\nmatch {\nstatus 404\n}\n}"},
		{name: "credentials", options: "servers {\nlog_credentials\n}\n"},
		{name: "a host with a dot at its end", host: "gw.example.com."},
		{name: "upper case", host: "GW.Example.COM"},
	} {
		t.Run(tc.name, func(t *testing.T) {
			var same strings.Builder
			for name, values := range answer.Header {
				if !slices.Contains([]string{"Date", "Content-Length", "Server"}, name) {
					fmt.Fprintf(&same, "header %s %q\n", name, values[0])
				}
			}
			// Sites with a wildcard have loggers of their own for each host.
			site := func(address string) string {
				_, port, _ := strings.Cut(address, ":")
				return fmt.Sprintf("http://%s, http://*.example.com:%s, http://*.example.com.:%s {\nbind 127.0.0.1\nlog named {\n}\n%s\n", address, port, port, tc.site)
			}
			s.Load(strings.Replace(s.Config[:strings.Index(s.Config, "\nhttp://")], "	livy {", tc.options+"	livy {", 1) +
				"\n" + site(s.Address) + "livy_gateway\n}\n" + site(plain) + same.String() + "respond `" + answer.Text + "` 404\n}\n" +
				"http://" + s.Public + " {\nlivy_gateway\n}\n")
			var lines [2][]map[string]any
			for i, address := range []string{s.Address, plain} {
				before := len(s.Logged())
				host := tc.host
				if host == "" {
					host = address
				}
				method := tc.method
				if method == "" {
					method = "GET"
				}
				ask(method, address, host, tc.body)
				if tc.name != "not logged" {
					s.Await(func() bool { return strings.Contains(s.Logged()[before:], "handled request") })
				}
				lines[i] = accessLines(t, s.Logged()[before:])
			}
			if len(lines[0]) != len(lines[1]) || len(lines[1]) == 0 && tc.name != "not logged" {
				t.Fatalf("%d lines of ours, %d of Caddy's:\n%v\n%v", len(lines[0]), len(lines[1]), lines[0], lines[1])
			}
			for i, want := range lines[1] {
				got := lines[0][i]
				if !slices.Equal(slices.Sorted(maps.Keys(got)), slices.Sorted(maps.Keys(want))) {
					t.Errorf("fields %v, Caddy has %v", got, want)
				}
				for field, value := range want {
					if !reflect.DeepEqual(got[field], value) {
						t.Errorf("%s: %v, Caddy has %v", field, got[field], value)
					}
				}
			}
		})
	}
}

// accessLines returns the lines of the access log in a part of the log, without the fields that
// differ between any two requests.
func accessLines(t *testing.T, log string) (all []map[string]any) {
	t.Helper()
	for text := range strings.Lines(log) {
		var line map[string]any
		if err := json.Unmarshal([]byte(text), &line); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		if logger, _ := line["logger"].(string); !strings.HasPrefix(logger, "http.log.access") {
			continue
		}
		request, _ := line["request"].(map[string]any)
		if line["duration"] == nil || request["remote_port"] == nil {
			t.Errorf("no duration or port: %s", text)
		}
		for _, field := range []string{"ts", "duration"} {
			delete(line, field)
		}
		delete(request, "remote_port")
		if header, ok := line["resp_headers"].(map[string]any); ok {
			delete(header, "Content-Length") // the other site's answer has one only later
		}
		if host, _ := request["host"].(string); strings.HasPrefix(host, "127.") {
			delete(request, "host")
		}
		all = append(all, line)
	}
	return all
}
