package integration

import (
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/livygateway/livygateway/internal/require"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// TestWarehouse has two Hive batches make tables at the same time, restarts the gateway, and
// reads the tables in a session that asks for nothing.
func TestWarehouse(t *testing.T) {
	l := oneLive(t)
	require.Need(t, require.Livy080, l.interactive, "this engine runs no interactive sessions")
	dir, jobs, paths := warehouseDirs(t, l)
	c := newCaddy(t, storetest.StartServer(t), l.livyBlock+`
		directory tables {
			type local
			source `+dir+`
			path `+paths[0]+`
			warehouse
		}
		directory jobs {
			type local
			source `+jobs+`
			path `+paths[1]+`
		}`)
	g := c.newGateway("etl", "--warehouse", "tables", "--directory", "jobs", "--cpu", "2")
	cl := client{t, c.url("etl"), c.newToken("etl").Token}

	var first, second batch
	for b, args := range map[*batch][]string{&first: {"apples", "pears"}, &second: {"pears", "apples"}} {
		r := cl.expect(http.StatusCreated, "POST", "/batches", map[string]any{
			"file": "file:" + paths[1] + "/hive_batch.py", "args": args, "driverMemory": "640m",
			"conf": map[string]string{"spark.sql.warehouse.dir": "file:/mnt/nowhere", "spark.hadoop.javax.jdo.option.ConnectionURL": "jdbc:derby:/x"},
		}, b)
		const key = "spark.hadoop.javax.jdo.option.ConnectionURL"
		if ignored := r.header.Get("X-Livy-Gateway-Ignored"); ignored != key {
			t.Errorf("X-Livy-Gateway-Ignored is %q, want %s", ignored, key)
		}
	}
	for _, b := range []batch{first, second} {
		if state, log := cl.batchDone(b.ID); state != "success" {
			t.Fatalf("batch %d ended %s:\n%s\n%s", b.ID, state, log, c.livy("gateway", "logs", "etl"))
		}
	}
	if _, err := os.Stat(filepath.Join(dir, g.ID, "tables", "shop.db", "apples")); err != nil && os.Geteuid() == 0 {
		t.Errorf("the files of the table: %v", err)
	}

	c.livy("gateway", "restart", "etl", "--wait")
	s := liveSession{client: cl, c: c, l: l}
	s.open(map[string]any{"kind": "pyspark", "driverMemory": "640m"})
	got := s.run(map[string]string{"code": `
print(spark.conf.get("spark.sql.catalogImplementation"), spark.sql("""
  select collect_list(made_by) from (select made_by from shop.apples union select made_by from shop.pears order by 1)""").first()[0])`})
	if want := "hive ['apples', 'pears']"; !strings.Contains(got, want) {
		t.Errorf("a session after the restart shows %q, want %q", got, want)
	}
}

// warehouseDirs makes a directory for tables and one with the job, and returns the paths at
// which jobs find them: as processes where they are, but not below /tmp, which the catalog
// refuses.
func warehouseDirs(t *testing.T, l live) (dir, jobs string, paths [2]string) {
	t.Helper()
	parent, paths := t.TempDir(), [2]string{"/mnt/tables", "/mnt/jobs"}
	if l.runtime == "process" {
		var err error
		if parent, err = os.MkdirTemp("/srv", "livygw-test-"); err != nil {
			t.Skip("this user cannot write to /srv")
		}
		t.Cleanup(func() { _ = os.RemoveAll(parent) })
	}
	dir, jobs = filepath.Join(parent, "tables"), filepath.Join(parent, "jobs")
	if l.runtime == "process" {
		paths = [2]string{dir, jobs}
	} else {
		t.Cleanup(func() { // as others than root cannot
			_ = exec.Command("docker", "run", "--rm", "--user", "0", "-v", parent+":/parent", "--entrypoint", "rm", image(), "-rf", "/parent/tables").Run()
		})
	}
	text, err := os.ReadFile(filepath.Join(root, "integration", "clients", "hive_batch.py"))
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range []string{dir, jobs} {
		if err := os.Mkdir(d, 0o755); err != nil { // the job is read by the container's user
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(jobs, "hive_batch.py"), text, 0o644); err != nil {
		t.Fatal(err)
	}
	return dir, jobs, paths
}
