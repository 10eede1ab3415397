package livytest

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/livy"
)

// Options say what the server under contract can do.
type Options struct {
	// Interactive servers run sessions, which needs a real Spark behind a real Livy.
	Interactive bool
	// Patience is how long a job may take to end, or a session to start; default
	// four minutes, since a session may wait for a busy machine.
	Patience time.Duration
}

// Contract holds a server to what the gateway relies on in Livy. It creates a
// few sessions and batches and deletes them; others are left alone.
func Contract(t *testing.T, baseURL string, o Options) {
	if o.Patience == 0 {
		o.Patience = 4 * time.Minute
	}
	c := &contract{base: strings.TrimSuffix(baseURL, "/"), options: o, client: &livy.Client{Base: baseURL}}
	t.Run("version", c.version)
	t.Run("routes", c.routes)
	t.Run("refusals", c.refusals)
	t.Run("batch", c.batch)
	t.Run("list", c.list)
	t.Run("habits", c.habits)
	if o.Interactive {
		t.Run("session", c.session)
	}
}

type contract struct {
	base    string
	options Options
	client  *livy.Client
}

// answer is a reply with its body read.
type answer struct {
	status int
	header http.Header
	body   []byte
}

func (a *answer) object(t *testing.T) map[string]any {
	t.Helper()
	var m map[string]any
	if err := json.Unmarshal(a.body, &m); err != nil {
		t.Fatalf("not a JSON object: %v: %.200s", err, a.body)
	}
	return m
}

func (c *contract) do(t *testing.T, method, uri, body string, headers ...string) *answer {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), c.options.Patience)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, method, c.base+uri, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return &answer{status: resp.StatusCode, header: resp.Header, body: text}
}

// want does a request and checks the status.
func (c *contract) want(t *testing.T, status int, method, uri, body string, headers ...string) *answer {
	t.Helper()
	a := c.do(t, method, uri, body, headers...)
	if a.status != status {
		t.Errorf("%s %s %.80s: status %d, want %d: %.200s", method, uri, body, a.status, status, a.body)
	}
	return a
}

func (c *contract) version(t *testing.T) {
	v, err := c.client.Version(t.Context())
	if err != nil || !strings.HasPrefix(v.Version, "0.") {
		t.Errorf("%+v, %v", v, err)
	}
}

// routes: what is not in the table is refused by Livy itself, too.
func (c *contract) routes(t *testing.T) {
	c.want(t, 404, "GET", "/batches/2147483647", "")
	c.want(t, 404, "GET", "/sessions/2147483647", "")
	c.want(t, 404, "GET", "/batches/no-such-name", "")
	c.want(t, 404, "DELETE", "/sessions/2147483647", "")
	c.want(t, 404, "GET", "/batches/2147483647/", "")
	c.want(t, 200, "GET", "/batches?from=0&size=1", "")
	c.want(t, 400, "GET", "/batches?from=x", "")
	c.want(t, 200, "HEAD", "/sessions", "")
	a := c.want(t, 405, "PUT", "/sessions", "{}")
	if allow := a.header.Get("Allow"); !strings.Contains(allow, "POST") {
		t.Errorf("Allow is %q", allow)
	}
	if m := c.do(t, "GET", "/sessions/2147483647", "").object(t); m["msg"] != "Session '2147483647' not found." {
		t.Errorf("message of 404: %v", m)
	}
}

// missing is the body of a batch that cannot run.
func missing(fields string) string { return `{"file":"` + MissingFile + `job.py"` + fields + `}` }

func (c *contract) refusals(t *testing.T) {
	for _, body := range []string{
		`{"nonsense":1}`, `{"File":"/x"}`, missing(`,"kind":"spark"`), missing(`,"ttl":"1h"`), `{`, `{"file":`,
		missing(`,"name":"123"`), `{}`,
	} {
		c.want(t, 400, "POST", "/batches", body)
	}
	c.want(t, 400, "POST", "/sessions", `{"file":"/x"}`)
	// A whole number as a string is found out late, with a 500.
	c.want(t, 500, "POST", "/batches", missing(`,"driverCores":"2"`))
}

func (c *contract) create(t *testing.T, uri, body string, headers ...string) int64 {
	t.Helper()
	a := c.want(t, 201, "POST", uri, body, headers...)
	id, ok := a.object(t)["id"].(float64)
	if !ok {
		t.Fatalf("no id in %.200s", a.body)
	}
	return int64(id)
}

func (c *contract) batch(t *testing.T) {
	name := fmt.Sprintf("contract-%d", time.Now().UnixNano())
	a := c.want(t, 201, "POST", "/batches", missing(`,"name":"`+name+`","conf":{"spark.x":1.50}`))
	b := a.object(t)
	for _, key := range []string{"id", "name", "owner", "proxyUser", "state", "appId", "appInfo", "log"} {
		if _, ok := b[key]; !ok {
			t.Errorf("a batch has no %s: %s", key, a.body)
		}
	}
	num, ok := b["id"].(float64)
	if !ok {
		t.FailNow()
	}
	id := int64(num)
	uri := fmt.Sprintf("/batches/%d", id)
	if loc := a.header.Get("Location"); loc != uri {
		t.Errorf("Location is %q, want %q", loc, uri)
	}
	c.until(t, uri, livy.Finished)
	if got := c.want(t, 200, "GET", "/batches/"+name, "").object(t); got["id"] != b["id"] {
		t.Errorf("by name: %v", got)
	}
	if got := c.want(t, 200, "GET", uri+"/state", "").object(t); len(got) != 2 || got["id"] != b["id"] {
		t.Errorf("state: %v", got)
	}
	log, err := c.client.Log(t.Context(), livy.KindBatch, id, -1)
	if err != nil || log.ID != id || log.Total != int64(len(log.Log)) || log.From != 0 {
		t.Errorf("log: %+v, %v", log, err)
	}
	if tail, err := c.client.Log(t.Context(), livy.KindBatch, id, 1); err != nil || len(tail.Log) != 1 || tail.From != tail.Total-1 {
		t.Errorf("last line of the log: %+v, %v", tail, err)
	}
	if m := c.want(t, 200, "DELETE", uri, "").object(t); m["msg"] != "deleted" {
		t.Errorf("delete: %v", m)
	}
	c.want(t, 404, "GET", uri, "")
	if err := c.client.Delete(t.Context(), livy.KindBatch, id); err != nil {
		t.Errorf("deleting what is gone: %v", err)
	}
}

// until polls a session or batch by what the gateway may poll as well.
func (c *contract) until(t *testing.T, uri string, done func(string) bool) {
	t.Helper()
	for end := time.Now().Add(c.options.Patience); ; time.Sleep(20 * time.Millisecond) {
		state, _ := c.want(t, 200, "GET", uri, "").object(t)["state"].(string)
		if done(state) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("%s is still %s after %v", uri, state, c.options.Patience)
		}
	}
}

func (c *contract) list(t *testing.T) {
	var ids []int64
	for range 3 {
		ids = append(ids, c.create(t, "/batches", missing("")))
	}
	defer func() {
		for _, id := range ids {
			c.want(t, 200, "DELETE", fmt.Sprintf("/batches/%d", id), "")
		}
	}()
	if ids[1] != ids[0]+1 || ids[2] != ids[1]+1 {
		t.Errorf("ids do not count up: %v", ids)
	}
	all, err := c.client.Batches(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	var got []int64
	for _, b := range all {
		got = append(got, b.ID)
	}
	if !slices.IsSorted(got) || !slices.Equal(got[max(0, len(got)-3):], ids) {
		t.Errorf("listed %v, want %v at the end", got, ids)
	}
	var page livy.List[livy.Batch]
	a := c.want(t, 200, "GET", fmt.Sprintf("/batches?from=%d&size=2", len(all)-2), "")
	if err := json.Unmarshal(a.body, &page); err != nil || len(page.Sessions) != 2 || page.Total != int64(len(all)) || page.Sessions[1].ID != ids[2] {
		t.Errorf("a page: %+v, %v", page, err)
	}
}

// habits are what a gateway has to guard against. If Livy loses one of them,
// a guard can go.
func (c *contract) habits(t *testing.T) {
	drop := func(id int64, method, query string, headers ...string) {
		t.Helper()
		c.want(t, 200, method, fmt.Sprintf("/batches/%d%s", id, query), "", headers...)
		c.want(t, 404, "GET", fmt.Sprintf("/batches/%d", id), "")
	}
	drop(c.create(t, "/batches", missing("")), "POST", "?_method=delete")
	drop(c.create(t, "/batches", missing("")), "POST", "", "X-HTTP-Method-Override", "DELETE")
	drop(c.create(t, "/batches/", missing("")), "delete", "")
	// The last of two equal keys counts, and nothing after the object does.
	name := fmt.Sprintf("last-%d", time.Now().UnixNano())
	id := c.create(t, "/batches", missing(`,"name":"first","name":"`+name+`"`)+` {"trailing`, "Content-Type", "text/plain")
	if got := c.want(t, 200, "GET", fmt.Sprintf("/batches/%d", id), "").object(t); got["name"] != name {
		t.Errorf("name %v, want %s", got["name"], name)
	}
	drop(id, "DELETE", "")
	// Livy 0.7.1 decodes no bodies and does not cut paths at a semicolon.
	if v, err := c.client.Version(t.Context()); err == nil && !strings.HasPrefix(v.Version, "0.7") {
		var coded bytes.Buffer
		z := gzip.NewWriter(&coded)
		_, _ = z.Write([]byte(missing("")))
		_ = z.Close()
		drop(c.create(t, "/batches", coded.String(), "Content-Encoding", "GZip"), "DELETE", "")
		drop(c.create(t, "/batches;x=y", missing("")), "DELETE", ";x")
	}
}

func (c *contract) session(t *testing.T) {
	a := c.want(t, 201, "POST", "/sessions", `{"kind":"pyspark","ttl":"30m","conf":{"spark.x":"1"},"heartbeatTimeoutInSecond":"0"}`)
	s := a.object(t)
	for _, key := range []string{"id", "name", "owner", "proxyUser", "state", "kind", "appId", "appInfo", "log"} {
		if _, ok := s[key]; !ok {
			t.Errorf("a session has no %s: %s", key, a.body)
		}
	}
	uri := fmt.Sprintf("/sessions/%v", s["id"])
	c.until(t, uri, func(state string) bool { return state == "idle" })
	list, err := c.client.Sessions(t.Context())
	if err != nil || !slices.ContainsFunc(list, func(l livy.Session) bool { return float64(l.ID) == s["id"] }) {
		t.Errorf("not in the list: %+v, %v", list, err)
	}
	c.statement(t, uri, "1+1", "ok")
	c.statement(t, uri, "raise Exception('x')", "error")
	var all livy.Statements
	if err := json.Unmarshal(c.want(t, 200, "GET", uri+"/statements?order=DESC&size=1", "").body, &all); err != nil || all.Total != 2 || len(all.Statements) != 1 || all.Statements[0].ID != 1 {
		t.Errorf("statements: %+v, %v", all, err)
	}
	c.want(t, 200, "POST", uri+"/statements/1/cancel", "{}")
	c.want(t, 404, "GET", uri+"/statements/99", "")
	c.want(t, 200, "POST", uri+"/connect", "")
	c.want(t, 500, "GET", uri+"/jobs/99", "")
	c.want(t, 200, "DELETE", uri, "")
	c.want(t, 404, "GET", uri, "")
}

func (c *contract) statement(t *testing.T, uri, code, status string) {
	t.Helper()
	body, _ := json.Marshal(map[string]string{"code": code})
	a := c.want(t, 201, "POST", uri+"/statements", string(body))
	st := a.object(t)
	at := fmt.Sprintf("%s/statements/%v", uri, st["id"])
	if loc := a.header.Get("Location"); loc != at {
		t.Errorf("Location is %q, want %q", loc, at)
	}
	c.until(t, at, func(state string) bool { return state == "available" })
	var done livy.Statement
	if err := json.Unmarshal(c.want(t, 200, "GET", at, "").body, &done); err != nil {
		t.Fatal(err)
	}
	var out struct{ Status string }
	if err := json.Unmarshal(done.Output, &out); err != nil || out.Status != status {
		t.Errorf("%s: output %s, want status %s", code, done.Output, status)
	}
}
