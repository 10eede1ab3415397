package caddymodule

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"os/user"
	"text/tabwriter"

	"github.com/caddyserver/caddy/v2"
	caddycmd "github.com/caddyserver/caddy/v2/cmd"
	"github.com/spf13/cobra"

	"github.com/livygateway/livygateway/api"
	"github.com/livygateway/livygateway/gateway"
)

func init() {
	caddycmd.RegisterCommand(caddycmd.Command{
		Name:  "livy",
		Usage: "gateway|token|session|policy|catalog|environment ...",
		Short: "Manages Livy gateways and their tokens",
		Long: `
Manages Livy gateways and their tokens by Caddy's admin endpoint, which must be
reachable: run it on the machine where Caddy runs, or name the endpoint with
--address.`,
		CobraFunc: func(cmd *cobra.Command) {
			c := &cli{out: os.Stdout, progress: os.Stderr}
			flags := cmd.PersistentFlags()
			flags.StringVar(&c.address, "address", "", "Address of Caddy's admin endpoint (default: "+caddy.DefaultAdminListen+")")
			flags.StringVar(&c.workspace, "workspace", gateway.DefaultWorkspace, "Workspace of the gateway")
			flags.BoolVar(&c.json, "json", false, "Print JSON instead of text")
			cmd.AddCommand(c.gatewayCommand(), c.tokenCommand(), c.sessionCommand(), c.policyCommand(),
				c.catalogCommand(), c.environmentCommand())
		},
	})
}

// cli is the command line's state: where to ask and how to print.
type cli struct {
	address, workspace string
	json               bool
	out, progress      io.Writer
}

// path makes the API path of a gateway or something below it.
func (c *cli) path(parts ...string) string {
	p := "/livy/v1/workspaces/" + url.PathEscape(c.workspace) + "/gateways"
	for _, part := range parts {
		p += "/" + url.PathEscape(part)
	}
	return p
}

// call asks the API and decodes its reply into out, if that is not nil.
func (c *cli) call(method, path string, body, out any) error {
	var payload io.Reader
	switch b := body.(type) {
	case nil:
	case []byte:
		payload = bytes.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			return err
		}
		payload = bytes.NewReader(text)
	}
	address, err := caddycmd.DetermineAdminAPIAddress(c.address, nil, "", "")
	if err != nil {
		return err
	}
	header := http.Header{"Content-Type": {"application/json"}}
	if u, err := user.Current(); err == nil {
		header.Set(actorHeader, u.Username)
	}
	resp, err := adminRequest(address, method, path, header, payload)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil {
		return nil
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return fmt.Errorf("reading the reply of %s: %w", address, err)
	}
	return nil
}

// adminRequest is caddycmd.AdminAPIRequest with our API's errors read for people.
func adminRequest(address, method, path string, header http.Header, body io.Reader) (*http.Response, error) {
	parsed, err := caddy.ParseNetworkAddress(address)
	if err != nil || parsed.PortRangeSize() > 1 || parsed.IsUnixNetwork() {
		return caddycmd.AdminAPIRequest(address, method, path, header, body)
	}
	req, err := http.NewRequest(method, "http://"+parsed.JoinHostPort(0)+path, body)
	if err != nil {
		return nil, err
	}
	req.Header = header
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return nil, fmt.Errorf("asking Caddy's admin endpoint: %w (is Caddy running there?)", err)
	}
	if resp.StatusCode < 400 {
		return resp, nil
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	var p api.Problem
	var caddyError struct {
		Error string `json:"error"`
	}
	switch {
	case json.Unmarshal(text, &p) == nil && p.Detail != "":
		return nil, errors.New(p.Detail)
	case json.Unmarshal(text, &caddyError) == nil && caddyError.Error != "":
		return nil, errors.New(caddyError.Error)
	case resp.StatusCode == http.StatusNotFound:
		return nil, fmt.Errorf("the Caddy at %s does not serve the livy API: is this module in it, and the livy option in its configuration?", address)
	default:
		return nil, fmt.Errorf("the Caddy at %s answered %s", address, resp.Status)
	}
}

// print writes v as JSON, or what text writes.
func (c *cli) print(v any, text func(w io.Writer)) error {
	if c.json {
		e := json.NewEncoder(c.out)
		e.SetIndent("", "  ")
		return e.Encode(v)
	}
	tw := tabwriter.NewWriter(c.out, 0, 4, 2, ' ', 0)
	text(tw)
	return tw.Flush()
}
