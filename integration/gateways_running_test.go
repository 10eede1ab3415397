package integration

import (
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// running is a gateway "etl" in a container, with an idle session of a client's.
type running struct {
	c       *caddy
	cl      client
	session string // path
}

// The bounds that confFiles sets.
const (
	maxSessions   = 2 // livy.conf
	maxStatements = 3 // livy-client.conf
)

// confFiles writes a gateway's configuration files and returns the flags that name
// them. Each of them has something in it that shows.
func confFiles(t *testing.T, dir string) (args []string) {
	t.Helper()
	for flag, text := range map[string]string{
		"spark-defaults":   "spark.sql.session.timeZone Asia/Tokyo\nspark.sql.broadcastTimeout 77\n",
		"livy-conf":        fmt.Sprintf("livy.server.session.max-creation = %d\n", maxSessions),
		"livy-client-conf": fmt.Sprintf("livy.rsc.retained-statements = %d\n", maxStatements),
		"spark-blacklist":  "spark.sql.broadcastTimeout\nspark.sql.shuffle.partitions\n",
	} {
		path := filepath.Join(dir, flag)
		write(t, path, text)
		args = append(args, "--"+flag, path)
	}
	return args
}

// publicSite adds a public endpoint to a Caddy and returns its base URL.
func publicSite(t *testing.T, c *caddy) string {
	t.Helper()
	address := "127.0.0.1:" + sparePort(t)
	text, err := os.ReadFile(c.caddyfile)
	if err != nil {
		t.Fatal(err)
	}
	c.write(string(text) + "http://" + address + " {\n\tlivy_gateway {\n\t\tpublic\n\t}\n}\n")
	c.reload()
	return "http://" + address + "/api/v1/workspace/default/livycompute/"
}

// withoutRestart changes a running gateway in all that holds from the next request
// on, and looks at what its configuration files do in the real Livy.
func (r *running) withoutRestart(t *testing.T, public string) {
	before := r.c.show("etl")
	t.Run("statement audit", r.audited)
	t.Run("statements kept by livy-client.conf", r.retained)
	t.Run("blacklist behind the gateway", r.secondFence)
	t.Run("policy rules", r.ruled)
	t.Run("disabled routes", r.disabled)
	t.Run("public endpoint", func(t *testing.T) { r.published(t, public) })
	t.Run("isolated", r.isolated)
	var after struct {
		gateway
		RestartNeeded []string
	}
	r.c.json(&after, "gateway", "show", "etl", "--json")
	if after.Status.Instance != before.Status.Instance || len(after.RestartNeeded) != 0 {
		t.Errorf("instance %s after %s, restart needed for %q", after.Status.Instance, before.Status.Instance, after.RestartNeeded)
	}
}

// run runs a statement and returns its id and what it shows.
func (r *running) run(t *testing.T, code string) (id int, shows string) {
	t.Helper()
	cl := client{t, r.cl.base, r.cl.token}
	var st struct {
		ID     int
		State  string
		Output struct{ Data map[string]string }
	}
	cl.expect(http.StatusCreated, "POST", r.session+"/statements", map[string]string{"code": code}, &st)
	eventually(t, time.Minute, "the statement's result", func() bool {
		cl.expect(http.StatusOK, "GET", fmt.Sprintf("%s/statements/%d", r.session, st.ID), nil, &st)
		return st.State == "available"
	})
	return st.ID, st.Output.Data["text/plain"]
}

func (r *running) audited(t *testing.T) {
	c := r.c
	c.livy("gateway", "update", "etl", "--statement-audit", "code")
	id, shows := r.run(t, "print(6 * 7)")
	c.livy("gateway", "update", "etl", "--statement-audit", "hash")
	hashed, _ := r.run(t, "print(6 * 8)")
	var list struct {
		Statements []struct {
			StatementID                        int
			Status, Code, CodeHash, ClientAddr string
		}
	}
	eventually(t, 20*time.Second, "both statements on record with their results", func() bool {
		c.json(&list, "session", "statements", "--gateway", "etl", "--json")
		return len(list.Statements) == 2 && list.Statements[0].Status != "" && list.Statements[1].Status != ""
	})
	newest, code := list.Statements[0], list.Statements[1]
	if shows != "42" || code.StatementID != id || code.Code != "print(6 * 7)" || code.Status != "ok" || code.ClientAddr != "127.0.0.1" {
		t.Errorf("statement %d shows %q; on record is %+v", id, shows, code)
	}
	if newest.StatementID != hashed || newest.Code != "" || len(newest.CodeHash) != 64 {
		t.Errorf("statement %d, of which the hash is to be kept: %+v", hashed, newest)
	}
	c.livy("gateway", "update", "etl", "--statement-audit", "")
}

func (r *running) retained(t *testing.T) {
	cl := client{t, r.cl.base, r.cl.token}
	last, _ := r.run(t, "print('one more')")
	var list struct {
		Statements []struct{ ID int }
	}
	cl.expect(http.StatusOK, "GET", r.session+"/statements", nil, &list)
	if len(list.Statements) != maxStatements || list.Statements[0].ID != last-maxStatements+1 {
		t.Errorf("after statement %d Livy keeps %+v, want %d", last, list.Statements, maxStatements)
	}
}

// secondFence asks Livy itself for what the gateway leaves out of requests.
func (r *running) secondFence(t *testing.T) {
	out, err := exec.Command("docker", "port", r.c.show("etl").container(), "8998").Output()
	if err != nil {
		t.Fatalf("looking for Livy's port: %v", err)
	}
	livy := client{t, "http://" + strings.TrimSpace(string(out)), ""}
	got := livy.do("POST", "/sessions", map[string]any{"kind": "sql", "conf": map[string]string{"spark.sql.broadcastTimeout": "1"}})
	if got.status != http.StatusBadRequest || !strings.Contains(string(got.body), "spark.sql.broadcastTimeout") {
		t.Errorf("Livy itself answers %d %s", got.status, got.body)
	}
}

func (r *running) ruled(t *testing.T) {
	cl := client{t, r.cl.base, r.cl.token}
	rules := filepath.Join(t.TempDir(), "policy.rules")
	write(t, rules, "max spark.executor.memory 1g\n")
	r.c.livy("gateway", "update", "etl", "--policy-rules", rules)
	for _, body := range []map[string]any{
		{"kind": "sql", "executorMemory": "2g"},
		{"kind": "sql", "conf": map[string]string{"spark.executor.memory": "1025m"}},
	} {
		if got := cl.do("POST", "/sessions", body); got.status != http.StatusBadRequest || !strings.Contains(got.msg(t), "must be at most 1g") {
			t.Errorf("%v: %d %s", body, got.status, got.body)
		}
	}
}

func (r *running) disabled(t *testing.T) {
	cl := client{t, r.cl.base, r.cl.token}
	r.c.livy("gateway", "update", "etl", "--disable-route", "batch.*")
	for _, method := range []string{"GET", "POST"} {
		if got := cl.do(method, "/batches", map[string]any{"file": "file:/mnt/scratch/version.py"}); got.status != http.StatusForbidden {
			t.Errorf("%s /batches: %d %s", method, got.status, got.body)
		}
	}
	cl.expect(http.StatusOK, "GET", "/sessions", nil, nil)
}

func (r *running) published(t *testing.T, public string) {
	cl := client{t, public + "etl", r.cl.token}
	cl.expect(http.StatusNotFound, "GET", r.session, nil, nil)
	r.c.livy("gateway", "update", "etl", "--public")
	cl.expect(http.StatusOK, "GET", r.session, nil, nil)
	r.c.livy("gateway", "update", "etl", "--public=false")
	cl.expect(http.StatusNotFound, "GET", r.session, nil, nil)
}

// isolated has another token start a session of its own: it sees that one alone,
// and Livy starts no third beside the two.
func (r *running) isolated(t *testing.T) {
	one, two := client{t, r.cl.base, r.cl.token}, client{t, r.cl.base, r.c.newToken("etl").Token}
	two.expect(http.StatusOK, "GET", r.session, nil, nil)
	r.c.livy("gateway", "update", "etl", "--isolated")
	for _, ask := range []struct{ method, path string }{
		{"GET", ""}, {"GET", "/state"}, {"GET", "/log"}, {"GET", "/statements"}, {"DELETE", ""},
	} {
		if got := two.do(ask.method, r.session+ask.path, nil); got.status != http.StatusNotFound {
			t.Errorf("%s %s of another token's session: %d %s", ask.method, ask.path, got.status, got.body)
		}
	}
	var own struct{ ID int }
	two.expect(http.StatusCreated, "POST", "/sessions", map[string]any{"kind": "sql", "driverMemory": "512m"}, &own)
	for _, cl := range []client{one, two} {
		var list struct {
			Total    int
			Sessions []struct{ ID int }
		}
		cl.expect(http.StatusOK, "GET", "/sessions", nil, &list)
		if list.Total != 1 || len(list.Sessions) != 1 || (list.Sessions[0].ID == own.ID) != (cl.token == two.token) {
			t.Errorf("a token sees %+v", list)
		}
	}
	if got := one.do("POST", "/sessions", map[string]any{"kind": "sql"}); got.status != http.StatusBadRequest || !strings.Contains(string(got.body), "too many sessions") {
		t.Errorf("a third session, over the bound in livy.conf: %d %s", got.status, got.body)
	}
	two.expect(http.StatusOK, "DELETE", fmt.Sprintf("/sessions/%d", own.ID), nil, nil)
	one.expect(http.StatusOK, "GET", r.session, nil, nil)
}
