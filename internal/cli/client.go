package cli

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"

	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/gateway"
)

// ActorHeader tells the admin endpoint, which has no users, who makes a request.
const ActorHeader = "X-Livy-Actor"

// path returns the API path of a gateway or something below it.
func (c *cli) path(parts ...string) string {
	p := []string{"/v1/workspaces", url.PathEscape(c.workspace), "gateways"}
	for _, part := range parts {
		p = append(p, url.PathEscape(part))
	}
	return strings.Join(p, "/")
}

// query puts parameters that are not empty after a path, which may have some already.
func query(path string, q url.Values) string {
	for name, values := range q {
		if len(values) == 0 || values[0] == "" {
			q.Del(name)
		}
	}
	if len(q) == 0 {
		return path
	}
	if strings.Contains(path, "?") {
		return path + "&" + q.Encode()
	}
	return path + "?" + q.Encode()
}

// request calls the API and returns its reply, or an error reply as an error.
func (c *cli) request(ctx context.Context, method, path string, body any) (*http.Response, error) {
	return c.requestWith(ctx, method, path, body, nil)
}

// requestWith is request with more headers; those that are empty are left out.
func (c *cli) requestWith(ctx context.Context, method, path string, body any, header http.Header) (*http.Response, error) {
	resp, err := c.send(ctx, method, path, body, header)
	if err != nil || resp.StatusCode < 400 {
		return resp, err
	}
	defer resp.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	return nil, readProblem(resp, text)
}

// send calls the API and returns its reply, even if it is an error.
func (c *cli) send(ctx context.Context, method, path string, body any, header http.Header) (*http.Response, error) {
	var payload io.Reader
	switch b := body.(type) {
	case nil:
	case []byte:
		payload = bytes.NewReader(b)
	default:
		text, err := json.Marshal(b)
		if err != nil {
			return nil, err
		}
		payload = bytes.NewReader(text)
	}
	client, base, err := c.Dial(c.address)
	if err != nil {
		return nil, gateway.Wrap(gateway.KindInvalid, "--address", err)
	}
	req, err := http.NewRequestWithContext(ctx, method, base+path, payload)
	if err != nil {
		return nil, err
	}
	for name := range header {
		if value := header.Get(name); value != "" {
			req.Header.Set(name, value)
		}
	}
	if payload != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	if name := userName(); name != "" {
		req.Header.Set(ActorHeader, name)
	}
	resp, err := client.Do(req)
	if err != nil {
		f := fromKind(gateway.KindUnavailable,
			fmt.Sprintf("cannot reach Caddy's admin endpoint: %s", unwrapURL(err)))
		f.hint = "Is Caddy running there? Use --address for another endpoint."
		return nil, f
	}
	return resp, nil
}

// unwrapURL returns the error without the requested URL, which is of no use to users.
func unwrapURL(err error) error {
	if u, ok := errors.AsType[*url.Error](err); ok {
		return u.Err
	}
	return err
}

// readProblem parses an error reply of the API, of Caddy itself, or of another server.
func readProblem(resp *http.Response, text []byte) *failure {
	var p api.Problem
	var caddys struct {
		Error string `json:"error"`
	}
	switch {
	case json.Unmarshal(text, &p) == nil && p.Detail != "" && p.Kind != "":
		return &failure{Problem: p, ExitCode: exitCode(p.Kind)}
	case json.Unmarshal(text, &caddys) == nil && caddys.Error != "":
		kind := gateway.KindInternal
		switch resp.StatusCode {
		case http.StatusServiceUnavailable:
			kind = gateway.KindUnavailable
		case http.StatusForbidden:
			kind = gateway.KindForbidden
		}
		return fromKind(kind, caddys.Error)
	case resp.StatusCode == http.StatusNotFound:
		f := fromKind(gateway.KindUnavailable, "the Caddy there does not serve the livy API")
		f.hint = "Does it include this module, and the livy option in its configuration?"
		return f
	default:
		return fromKind(gateway.KindInternal, "the admin endpoint answered "+resp.Status)
	}
}

// reply is a reply of the API: raw, for --json, and decoded.
type reply[T any] struct {
	raw json.RawMessage
	got T
}

// call calls the API and decodes its reply.
func call[T any](c *cli, method, path string, body any) (r reply[T], err error) {
	return callWith[T](c.ctx, c, method, path, body)
}

func callWith[T any](ctx context.Context, c *cli, method, path string, body any) (r reply[T], err error) {
	resp, err := c.request(ctx, method, path, body)
	if err != nil {
		return r, err
	}
	defer resp.Body.Close()
	if r.raw, err = io.ReadAll(resp.Body); err != nil {
		return r, gateway.Wrap(gateway.KindUnavailable, "reading the reply", err)
	}
	if len(r.raw) == 0 {
		return r, nil
	}
	if err = json.Unmarshal(r.raw, &r.got); err != nil {
		return r, fmt.Errorf("reading the reply: %w", err)
	}
	return r, nil
}

// allPages reads a complete list, page by page.
func allPages[T any](c *cli, path string, size func(*T) (shown int, total int64), add func(*T)) error {
	const limit = 1000
	for offset := 0; ; {
		r, err := get[T](c, query(path,
			url.Values{"offset": {strconv.Itoa(offset)}, "limit": {strconv.Itoa(limit)}}))
		if err != nil {
			return err
		}
		add(&r.got)
		shown, total := size(&r.got)
		if offset += shown; shown == 0 || int64(offset) >= total {
			return nil
		}
	}
}

// get reads an object.
func get[T any](c *cli, path string) (reply[T], error) {
	return call[T](c, http.MethodGet, path, nil)
}

// copy copies an API reply to the output.
func (c *cli) copy(path string) error {
	resp, err := c.request(c.ctx, http.MethodGet, path, nil)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(c.out, resp.Body); err != nil {
		return gateway.Wrap(gateway.KindUnavailable, "the reply is incomplete: lines are missing", err)
	}
	return nil
}
