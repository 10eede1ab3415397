package caddymodule

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/livygateway/livygateway/internal/cli"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name: "livy", Usage: cli.Usage, Short: cli.Short,
		CobraFunc: func(cmd *cobra.Command) {
			cli.Fill(cmd, cli.Options{
				Dial: dialAdmin, DefaultAddress: caddy.DefaultAdminListen, Exit: exit, Examine: examineFile,
			})
		},
	})
}

// exit returns the error that makes Caddy's main function exit with a code. The error prints
// nothing, since the command line has already printed its message.
func exit(code int) error {
	if code == 1 {
		return errors.New("failed")
	}
	return caddycmd.WrapCommandFuncForCobra(func(caddycmd.Flags) (int, error) { return code, nil })(&cobra.Command{}, nil)
}

// dialAdmin returns a client and the base URL for the API on Caddy's admin endpoint, which is at
// a TCP address or a Unix socket.
func dialAdmin(address string) (*http.Client, string, error) {
	address, err := caddycmd.DetermineAdminAPIAddress(address, nil, "", "")
	if err != nil {
		return nil, "", err
	}
	parsed, err := caddy.ParseNetworkAddress(address)
	if err != nil {
		return nil, "", err
	}
	if parsed.PortRangeSize() > 1 {
		return nil, "", fmt.Errorf("%s is more than one address", address)
	}
	base := "http://" + parsed.JoinHostPort(0)
	origin := base
	if parsed.IsUnixNetwork() {
		// The admin endpoint accepts this host. Permission bits in the address are for listeners
		// only.
		base, origin = "http://127.0.0.1", ""
		parsed.Host, _, _ = strings.Cut(parsed.Host, "|")
	}
	transport := &http.Transport{
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			var d net.Dialer
			return d.DialContext(ctx, parsed.Network, parsed.JoinHostPort(0))
		},
	}
	return &http.Client{Transport: originTransport{transport, origin}}, base + "/livy", nil
}

// originTransport sets the Origin header, as Caddy's own commands do: an admin endpoint may
// require it.
type originTransport struct {
	http.RoundTripper
	origin string
}

func (t originTransport) RoundTrip(r *http.Request) (*http.Response, error) {
	if t.origin != "" {
		r = r.Clone(r.Context())
		r.Header.Set("Origin", t.origin)
	}
	return t.RoundTripper.RoundTrip(r)
}
