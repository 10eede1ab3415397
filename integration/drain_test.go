package integration

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/require"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// slowBatch tells which Spark it runs on, after a while.
const slowBatch = `
import sys, time
from pyspark import SparkContext
sc = SparkContext()
time.sleep(float(sys.argv[1]))
print("<<<" + sc.version + ">>>")
`

// TestDrainedUpgrade upgrades the engine of a gateway while a session and a batch run on it: both
// go on, while a new session runs on the new engine. A client that polls all the time sees no
// error. LIVYGW_DRAIN_SECONDS makes the batch longer.
func TestDrainedUpgrade(t *testing.T) {
	l := dockerLive(t)
	require.Need(t, require.Livy080, l.interactive, "this engine runs no interactive sessions")
	require.Need(t, require.OtherImage, docker("image", "inspect", otherImage()) == nil,
		"image "+otherImage()+" is not there (scripts/build-engine-image --spark 3.4.4)")
	scratch := t.TempDir()
	if err := os.Chmod(scratch, 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(scratch, "slow.py"), []byte(slowBatch), 0o644); err != nil { // read by the container's user
		t.Fatal(err)
	}
	c := newCaddy(t, storetest.StartServer(t), l.livyBlock+`
		engine spark-3.4 {
			spark 3.4.4
			image `+otherImage()+`
		}
		start_timeout 6m
		directory scratch {
			type local
			source `+scratch+`
			path /mnt/scratch
		}`)
	patience := filepath.Join(c.dir, "livy-client.conf")
	write(t, patience, "livy.rsc.server.connect.timeout = 5m\n") // drivers start slowly on a busy machine
	c.newGateway("etl", "--engine", "spark-3.4", "--directory", "scratch", "--livy-client-conf", patience)
	d := &drained{t, c, client{t, c.url("etl"), c.newToken("etl").Token}}

	var b batch
	d.expect(http.StatusCreated, "POST", "/batches", map[string]any{
		"file": "file:/mnt/scratch/slow.py", "args": []string{setting("LIVYGW_DRAIN_SECONDS", "20")}, "driverMemory": "1g",
	}, &b)
	old := d.session("etl-old")
	if version := d.run(old, "x = 41\nprint(spark.version)"); version != "3.4.4" {
		t.Fatalf("the session runs on Spark %s", version)
	}
	stop := d.watch(old, b.ID)

	began := time.Now()
	c.livy("gateway", "update", "etl", "--engine", "spark-3.5", "--restart", "--drain=1h", "--wait")
	t.Logf("the new server took over after %v", time.Since(began).Round(time.Second))
	fresh := d.session("etl-new")
	if version := d.run(fresh, "print(spark.version)"); !strings.HasPrefix(version, "3.5.") || fresh <= old {
		t.Errorf("the new session %d runs on Spark %s", fresh, version)
	}
	if x := d.run(old, "print(x + 1)"); x != "42" {
		t.Errorf("the old session answers %s", x)
	}
	if state, log := d.batchDone(b.ID); state != "success" || !strings.Contains(log, "<<<3.4.4>>>") {
		t.Errorf("the batch on the draining server ended %s:\n%s", state, log)
	}
	if shown := c.livy("gateway", "show", "etl"); !strings.Contains(shown, "draining since") {
		t.Errorf("gateway show does not show the servers:\n%s", shown)
	}
	stop()
	d.expect(http.StatusOK, "DELETE", fmt.Sprintf("/sessions/%d", old), nil, nil)
	eventually(t, time.Minute, "the end of the drained server", func() bool {
		return !strings.Contains(c.livy("gateway", "show", "etl"), "Servers:")
	})
	if docker("inspect", "livygw-"+c.show("etl").ID) == nil {
		t.Error("the container of the drained server is still there")
	}
	if version := d.run(fresh, "print(spark.version)"); !strings.HasPrefix(version, "3.5.") {
		t.Errorf("after the drain, the new session answers %s", version)
	}
}

// drained is a client of a gateway that is drained.
type drained struct {
	t testing.TB
	c *caddy
	client
}

// session starts a session and waits for it.
func (d *drained) session(name string) int {
	d.t.Helper()
	var s struct {
		ID    int
		State string
	}
	d.expect(http.StatusCreated, "POST", "/sessions", map[string]any{"kind": "pyspark", "driverMemory": "1g", "name": name}, &s)
	eventually(d.t, 6*time.Minute, "an idle session", func() bool {
		d.expect(http.StatusOK, "GET", "/sessions/"+name, nil, &s)
		return s.State != "starting" && s.State != "not_started"
	})
	if s.State != "idle" {
		d.t.Fatalf("session %s is %s:\n%s", name, s.State, d.do("GET", "/sessions/"+name+"/log?from=0&size=200", nil).body)
	}
	return s.ID
}

// run runs a statement and returns what it prints.
func (d *drained) run(session int, code string) string {
	d.t.Helper()
	path := fmt.Sprintf("/sessions/%d/statements", session)
	var st struct {
		ID     int
		State  string
		Output json.RawMessage
	}
	d.expect(http.StatusCreated, "POST", path, map[string]string{"code": code}, &st)
	eventually(d.t, 2*time.Minute, "a statement's result", func() bool {
		d.expect(http.StatusOK, "GET", fmt.Sprintf("%s/%d", path, st.ID), nil, &st)
		return st.State == "available" || st.State == "error"
	})
	var out struct{ Data map[string]string }
	if err := json.Unmarshal(st.Output, &out); err != nil || out.Data["text/plain"] == "" {
		d.t.Fatalf("statement %q: %s", code, st.Output)
	}
	return out.Data["text/plain"]
}

// watch polls a session, a batch and the lists until the function that it returns is called.
// Every reply must be 200.
func (d *drained) watch(session, batch int) (stop func()) {
	done := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		polls := 0
		for {
			for _, path := range []string{
				fmt.Sprintf("/sessions/%d/state", session), fmt.Sprintf("/batches/%d/state", batch), "/sessions", "/batches?from=0&size=10",
			} {
				if r := d.do("GET", path, nil); r.status != http.StatusOK {
					d.t.Errorf("poll of %s: %d %s", path, r.status, r.body)
				}
				polls++
			}
			select {
			case <-done:
				d.t.Logf("%d polls", polls)
				return
			case <-time.After(200 * time.Millisecond):
			}
		}
	})
	return func() {
		close(done)
		wg.Wait()
	}
}
