package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"time"
)

// client uses a gateway as notebooks and schedulers do, until ctx ends.
func (s *site) client(ctx context.Context, n int) {
	c := &client{site: s, token: n % len(s.tokens), http: &http.Client{Timeout: time.Minute, Transport: &http.Transport{}}}
	defer c.http.CloseIdleConnections()
	for ctx.Err() == nil {
		c.session(ctx)
		c.batch(ctx)
		select {
		case <-ctx.Done():
		case <-time.After(100 * time.Millisecond):
		}
	}
}

type client struct {
	*site
	token int
	http  *http.Client
}

// session opens a session, runs statements in it and closes it.
func (c *client) session(ctx context.Context) {
	var opened struct{ ID int64 }
	if !c.do(ctx, "open a session", "POST", "/sessions", `{"kind":"pyspark"}`, &opened) {
		return
	}
	path := fmt.Sprintf("/sessions/%d", opened.ID)
	for range 10 {
		c.do(ctx, "poll", "GET", path, "", nil)
		c.do(ctx, "poll", "GET", path+"/state", "", nil)
	}
	if c.do(ctx, "statement", "POST", path+"/statements", `{"code":"1+1"}`, nil) {
		for range 5 {
			c.do(ctx, "poll", "GET", path+"/statements/0", "", nil)
		}
	}
	c.do(ctx, "log", "GET", path+"/log?size=100", "", nil)
	c.do(ctx, "list", "GET", "/sessions", "", nil)
	c.do(ctx, "refused", "GET", "/nothing", "", nil)
	c.do(context.WithoutCancel(ctx), "close a session", "DELETE", path, "", nil)
}

// batch submits a batch, follows and removes it.
func (c *client) batch(ctx context.Context) {
	var created struct{ ID int64 }
	body := `{"file":"hdfs:///jobs/job.py","args":["` + strings.Repeat("x", 2000) + `"]}`
	if !c.do(ctx, "create a batch", "POST", "/batches", body, &created) {
		return
	}
	path := fmt.Sprintf("/batches/%d", created.ID)
	for range 5 {
		c.do(ctx, "poll", "GET", path, "", nil)
	}
	c.do(context.WithoutCancel(ctx), "remove a batch", "DELETE", path, "", nil)
}

// do sends a request and reports whether it succeeded. Failures that the load itself brings about are
// not counted as such: of the gateway that is stopped now and then, of what lived on a server that
// was replaced, of paths that do not exist, and of connections that a reload cut.
func (c *client) do(ctx context.Context, name, method, path, body string, into any) bool {
	c.mu.Lock()
	t := c.tokens[c.token]
	c.mu.Unlock()
	r, err := http.NewRequestWithContext(ctx, method, "http://"+c.address+"/api/v1/workspace/default/livycompute/"+t.gateway+path, strings.NewReader(body))
	if err != nil {
		c.counts.fail(name, err)
		return false
	}
	r.Header.Set("x-acs-spark-livy-token", t.Text)
	r.Header.Set("Content-Type", "application/json")
	// Caddy closes idle connections when it reloads, and Go does not send a POST again.
	r.Close = method != http.MethodGet
	resp, err := c.http.Do(r)
	if err != nil {
		switch {
		case ctx.Err() != nil:
		case isCut(err) && c.justReloaded():
			c.counts.add(cut)
		default:
			c.counts.fail(name, err)
		}
		return false
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil && ctx.Err() == nil {
		c.counts.fail(name, fmt.Errorf("reading the reply: %w", err))
		return false
	}
	ok := resp.StatusCode/100 == 2
	switch {
	case ok, ctx.Err() != nil:
		c.counts.add(name)
	case resp.StatusCode == http.StatusNotFound && name != "open a session" && name != "create a batch",
		t.gateway == "second" && (resp.StatusCode == http.StatusConflict || resp.StatusCode == http.StatusServiceUnavailable):
		c.counts.add(fmt.Sprintf("%s, answered %d", name, resp.StatusCode))
	default:
		c.counts.fail(name, fmt.Errorf("%d: %.200s", resp.StatusCode, text))
	}
	if ok && into != nil && json.Unmarshal(text, into) != nil {
		c.counts.fail(name, fmt.Errorf("the reply is %.200s", text))
		return false
	}
	return ok
}

// cut names the requests whose connection was closed before Caddy had read them: Go's server does not
// answer requests that arrive after its Shutdown has begun, also not on connections it has just
// accepted. Each reload of any Caddy shuts a server down.
const cut = "connection cut by a reload"

// cutsPerReload is the most of them that is explained by this.
const cutsPerReload = 5

func isCut(err error) bool {
	return errors.Is(err, io.EOF) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}
