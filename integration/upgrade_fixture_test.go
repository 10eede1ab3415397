//go:build fixture

// The tests in this file run a binary of schema 1. See testdata/schema1/README.md.
package integration

import (
	"context"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// oldCaddy starts a binary of schema 1, with the gateway "etl" that audits statements.
func oldCaddy(t *testing.T, redis *storetest.Server, livyURL string) *caddy {
	t.Helper()
	old := os.Getenv("LIVYGW_OLD_BINARY")
	if old == "" {
		t.Fatal("LIVYGW_OLD_BINARY must name a binary of schema 1")
	}
	t.Setenv("LIVYGW_BINARY", old)
	c := newCaddy(t, redis, upgradeBlock(livyURL))
	c.livy("gateway", "create", "etl", "--start", "--wait", "--statement-audit", "code")
	return c
}

// statement runs a statement in a new session and fetches its result.
func statement(cl client, double *livytest.Server, code string) (session string) {
	var s, st struct{ ID json.Number }
	cl.expect(http.StatusCreated, "POST", "/sessions", map[string]any{"kind": "pyspark"}, &s)
	session = "/sessions/" + s.ID.String()
	for range 3 {
		double.Step()
	}
	cl.expect(http.StatusCreated, "POST", session+"/statements", map[string]string{"code": code}, &st)
	eventually(cl.t, time.Minute, "the statement's result", func() bool {
		double.Step()
		var now struct{ State string }
		cl.expect(http.StatusOK, "GET", session+"/statements/"+st.ID.String(), nil, &now)
		return now.State == "available"
	})
	return session
}

// TestWriteSchema1 writes testdata/schema1 anew.
func TestWriteSchema1(t *testing.T) {
	double := livytest.New()
	livy := httptest.NewServer(double)
	t.Cleanup(livy.Close)
	redis := storetest.StartServer(t)
	c := oldCaddy(t, redis, livy.URL)
	ann := c.newToken("etl", "--name", "ann", "--expire-days", "36500", "--max-sessions", "10", "--cidr", "127.0.0.0/8")
	reset := c.newToken("etl", "--name", "reset", "--expire-days", "36500")
	disabled := c.newToken("etl", "--name", "disabled", "--expire-days", "36500")
	revoked := c.newToken("etl", "--name", "revoked", "--expire-days", "36500")
	before := reset.Token
	c.json(&reset, "token", "reset", "--gateway", "etl", reset.ID, "--json")
	c.livy("token", "disable", "--gateway", "etl", disabled.ID)
	c.livy("token", "revoke", "--gateway", "etl", revoked.ID)
	supplied := "test-token-of-the-callers-own-choice"
	file := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(file, []byte(supplied), 0o600); err != nil {
		t.Fatal(err)
	}
	c.livy("token", "create", "--gateway", "etl", "--name", "supplied", "--expire-days", "36500", "--token-file", file)

	cl := client{t, c.url("etl"), ann.Token}
	session := statement(cl, double, "print(6 * 7)")
	statement(cl, double, "raise Exception")
	cl.expect(http.StatusOK, "DELETE", session, nil, nil)
	var b struct{ ID int }
	cl.expect(http.StatusCreated, "POST", "/batches", map[string]any{"file": "hdfs:///job.py", "name": "nightly"}, &b)
	double.SetState("batches", 0, "success")
	cl.batchDone(b.ID)
	c.livy("gateway", "update", "etl", "--queue", "root.nightly")
	// What lives ends too, so that its record is the same with another Livy.
	c.livy("gateway", "stop", "etl", "--wait")
	c.livy("gateway", "start", "etl", "--wait")
	eventually(t, time.Minute, "records at their end", func() bool {
		for _, r := range c.records("etl") {
			if r.State != "success" && r.State != "killed" && r.State != "dead" {
				return false
			}
		}
		return len(c.records("etl")) == 3
	})
	in := c.contents("etl")
	in.Valid = []string{ann.Token, reset.Token, supplied}
	in.Refused = []string{before, disabled.Token, revoked.Token}
	in.NextSessionID = 2
	c.stop()
	redis.MustDo("DEL", "livygw:instances") // has the name of this machine
	redis.MustDo("CONFIG", "SET", "rdbcompression", "no")
	redis.MustDo("SAVE")
	dump, err := os.ReadFile(filepath.Join(redis.Dir(), "dump.rdb"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.MarshalIndent(in, "", "\t")
	if err != nil {
		t.Fatal(err)
	}
	for name, content := range map[string][]byte{"dump.rdb": dump, "contents.json": append(text, '\n')} {
		if err := os.WriteFile(filepath.Join(schema1Dir, name), content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRollingUpgrade starts the new version while the old one runs on: nothing that
// either does is lost, and the old one cannot start again.
func TestRollingUpgrade(t *testing.T) {
	newer := binary(t)
	double := livytest.New()
	livy := httptest.NewServer(double)
	t.Cleanup(livy.Close)
	redis := storetest.StartServer(t)
	old := oldCaddy(t, redis, livy.URL)
	tok := old.newToken("etl")
	statement(client{t, old.url("etl"), tok.Token}, double, "before()")

	t.Setenv("LIVYGW_BINARY", newer)
	c := newCaddy(t, redis, upgradeBlock(livy.URL))
	client{t, c.url("etl"), tok.Token}.expect(http.StatusOK, "GET", "/sessions", nil, nil)

	// The old one goes on.
	late := old.newToken("etl", "--name", "late")
	statement(client{t, old.url("etl"), late.Token}, double, "meanwhile()")
	client{t, c.url("etl"), late.Token}.expect(http.StatusOK, "GET", "/sessions", nil, nil)
	statement(client{t, c.url("etl"), late.Token}, double, "after()")
	// What one takes away the other refuses.
	c.livy("token", "revoke", "--gateway", "etl", tok.ID)
	eventually(t, 5*time.Second, "the old instance refusing a token", func() bool {
		return client{t, old.url("etl"), tok.Token}.do("GET", "/sessions", nil).status == http.StatusUnauthorized
	})
	eventually(t, 2*time.Minute, "what the old instance wrote", func() bool {
		in := c.contents("etl")
		return strings.Count(strings.Join(in.Audit, "\n"), "token.create") == 2 && len(in.Statements) == 3 &&
			redis.MustDo("EXISTS", "livygw:trail", "livygw:audit:"+in.GatewayID) == int64(0)
	})
	old.stop()
	t.Setenv("LIVYGW_BINARY", os.Getenv("LIVYGW_OLD_BINARY"))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := old.command(ctx, "run", "--config", old.caddyfile, "--adapter", "caddyfile").CombinedOutput()
	if err == nil || !strings.Contains(string(out), "written by a newer version") {
		t.Errorf("the old version starts on newer data: %v\n%s", err, out)
	}
	t.Setenv("LIVYGW_BINARY", newer)
	eventually(t, time.Minute, "the new instance supervising the gateway", func() bool { return c.show("etl").Status.State == "Running" })
}
