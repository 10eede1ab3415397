package integration

import (
	"bytes"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/require"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// TestYarn runs batches and a session on a real YARN. Its ResourceManager says
// in whose name and in which queue they run, whatever the client asks for.
func TestYarn(t *testing.T) {
	l := processLive(t)
	require.Need(t, require.Livy080, l.interactive, "this engine runs no interactive sessions")
	y := startYarn(t)
	c := newCaddy(t, storetest.StartServer(t), l.livyBlock+"\nstart_timeout 6m\nqueue root.etl root.adhoc\nlocal_dir "+jobDir(l)+
		y.block("lake", "cluster")+y.withProxy().block("edge", "client")+startHistory(t))
	g := yarnGateway(t, c, y, "etl", "lake", "alice")
	alice := client{t, c.url("etl"), c.newToken("etl").Token}
	bob := client{t, c.url("etl"), c.newToken("etl", "--identity", "bob", "--queue", "root.adhoc").Token}

	bad := map[string]any{
		"file": jobFile(l), "queue": "root.adhoc", "proxyUser": "mallory",
		"conf": map[string]string{
			"spark.yarn.queue": "root.default", "spark.livy.proxyUser": "mallory", "spark.yarn.appMasterEnv.HADOOP_USER_NAME": "mallory",
			"spark.master": "local", "spark.yarn.tags": "mine",
		},
	}
	type created struct {
		ID    int
		AppID string
	}
	var batches [2]created
	alice.expect(http.StatusCreated, "POST", "/batches?doAs=mallory", bad, &batches[0])
	bob.expect(http.StatusCreated, "POST", "/batches?user.name=mallory", bad, &batches[1])
	for i, tt := range []struct{ name, user, queue string }{
		{"the creator and the gateway's queue", "alice", "etl"},
		{"the token's own", "bob", "adhoc"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			cl, b := client{t, alice.base, alice.token}, batches[i]
			if state, log := cl.batchDoneWithin(6*time.Minute, b.ID); state != "success" {
				t.Fatalf("the batch is %s:\n%s", state, log)
			}
			cl.expect(http.StatusOK, "GET", fmt.Sprintf("/batches/%d", b.ID), nil, &b)
			app := y.app(t, b.AppID)
			if queue := strings.TrimPrefix(app.Queue, "root."); app.User != tt.user || queue != tt.queue || app.FinalStatus != "SUCCEEDED" {
				t.Errorf("YARN says %+v; want user %s, queue %s, SUCCEEDED", app, tt.user, tt.queue)
			}
			tags := strings.Split(app.ApplicationTags, ",")
			if !slices.Contains(tags, "livygateway.gateway:"+g.ID) || !slices.Contains(tags, "mine") {
				t.Errorf("tags %q, want the gateway's and the client's", tags)
			}
		})
	}
	t.Run("the Spark UI of a finished batch", func(t *testing.T) {
		var rec struct{ SparkUI, AppID string }
		c.json(&rec, "session", "show", "--gateway", "etl", fmt.Sprintf("batch:%d", batches[0].ID), "--json")
		site := client{t, "http://" + c.all, alice.token}
		eventually(t, 2*time.Minute, "the history server showing the batch", func() bool {
			r := site.do("GET", rec.SparkUI+"/", nil)
			return r.status == http.StatusOK && strings.Contains(string(r.body), "Spark Jobs")
		})
		// On YARN an application has attempts.
		own := rec.SparkUI + "/history/" + rec.AppID + "/1"
		if r := site.do("GET", own+"/executors/", nil); r.status != http.StatusOK || !strings.Contains(string(r.body), `="`+own+`/stages/`) {
			t.Errorf("the executors' page: %d %.600s", r.status, r.body)
		}
		if r := site.do("GET", rec.SparkUI+"/api/v1/applications/"+rec.AppID+"/1/allexecutors", nil); r.status != http.StatusOK || !strings.Contains(string(r.body), "driver") {
			t.Errorf("the executors: %d %.300s", r.status, r.body)
		}
	})
	t.Run("a session in cluster mode and its Spark UI", func(t *testing.T) { yarnSession(t, c, y, "etl") })
	c.livy("gateway", "stop", "etl", "--wait") // two Livy servers at once are much for a small machine
	t.Run("a session in client mode and its Spark UI behind a proxy of its own", func(t *testing.T) {
		yarnGateway(t, c, y, "near", "edge", "alice")
		yarnSession(t, c, y, "near")
	})
}

// yarnSession runs a PySpark session on YARN, and looks at its Spark UI through
// the gateway while it lives and when it has ended.
func yarnSession(t *testing.T, c *caddy, y yarn, gatewayName string) {
	cl := client{t, c.url(gatewayName), c.newToken(gatewayName).Token}
	var s struct {
		ID    int
		State string
		AppID string
	}
	cl.expect(http.StatusCreated, "POST", "/sessions?doAs=mallory", map[string]any{"kind": "pyspark", "proxyUser": "mallory", "queue": "root.adhoc"}, &s)
	path := fmt.Sprintf("/sessions/%d", s.ID)
	eventually(t, 6*time.Minute, "an idle session", func() bool {
		cl.expect(http.StatusOK, "GET", path, nil, &s)
		if s.State == "dead" || s.State == "error" || s.State == "killed" {
			t.Fatalf("the session is %s:\n%s", s.State, cl.do("GET", path+"/log?from=0&size=200", nil).body)
		}
		return s.State == "idle" && s.AppID != ""
	})
	if app := y.app(t, s.AppID); app.User != "alice" || strings.TrimPrefix(app.Queue, "root.") != "etl" {
		t.Errorf("YARN says %+v; want user alice, queue etl", app)
	}
	var rec struct{ ID, SparkUI, AppID string }
	eventually(t, time.Minute, "the application's id on record", func() bool {
		c.json(&rec, "session", "show", "--gateway", gatewayName, fmt.Sprintf("session:%d", s.ID), "--json")
		return rec.AppID == s.AppID
	})
	site := client{t, "http://" + c.all, cl.token}
	checkLiveUI(t, site, rec.SparkUI)
	if r := site.do("GET", rec.SparkUI+"/api/v1/applications", nil); !strings.Contains(string(r.body), s.AppID) {
		t.Errorf("it is another application's: %.300s", r.body)
	}
	cl.expect(http.StatusOK, "DELETE", path, nil, nil)
	eventually(t, 2*time.Minute, "the history server showing the session", func() bool {
		r := site.do("GET", rec.SparkUI+"/", nil)
		return r.status == http.StatusOK && strings.Contains(string(r.body), `="`+rec.SparkUI+"/history/"+rec.AppID+"/")
	})
}

// yarnGateway creates a gateway that runs jobs on YARN as its creator, and waits until it runs.
func yarnGateway(t *testing.T, c *caddy, y yarn, name, cluster, creator string) gateway {
	t.Helper()
	body := asJSON(t, map[string]any{
		"name": name, "start": true, "cluster": cluster, "queue": "root.etl", "sparkDefaults": y.sparkDefaults(),
		// A small machine takes its time to submit an application and to bring a driver up.
		"livyConf":       "livy.impersonation.enabled = true\nlivy.server.yarn.app-lookup-timeout = 5m",
		"livyClientConf": "livy.rsc.server.connect.timeout = 5m",
	})
	eventually(t, 30*time.Second, "gateway "+name+" created", func() bool {
		req, err := http.NewRequest(http.MethodPost, "http://"+c.admin+"/livy/v1/workspaces/default/gateways", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		req.Header.Set("X-Livy-Actor", creator)
		res, err := httpClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		var text bytes.Buffer
		_, _ = text.ReadFrom(res.Body)
		if res.StatusCode != http.StatusCreated && res.StatusCode != http.StatusServiceUnavailable { // not yet up
			t.Fatalf("creating gateway %s: %d %s", name, res.StatusCode, &text)
		}
		return res.StatusCode == http.StatusCreated
	})
	t.Cleanup(func() {
		if _, err := c.tryLivy("gateway", "delete", name, "--force"); err != nil {
			t.Logf("deleting gateway %s: %v", name, err)
		}
	})
	eventually(t, 5*time.Minute, "gateway "+name+" running", func() bool { return c.show(name).Status.State == "Running" })
	return c.show(name)
}
