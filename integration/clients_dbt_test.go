package integration

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// warehouseBlock is a part of a livy block: the directory "tables", which keeps tables.
func warehouseBlock(t *testing.T, l live) string {
	dir, _, paths := warehouseDirs(t, l)
	return "\n\t\tdirectory tables {\n\t\t\ttype local\n\t\t\tsource " + dir + "\n\t\t\tpath " + paths[0] + "\n\t\t\twarehouse\n\t\t}"
}

// runDBT runs a project with two models, of which one reads the other, on a gateway with a
// warehouse. The second run finds the tables of the first one.
func runDBT(t *testing.T, c *caddy) {
	dbt := filepath.Join(filepath.Dir(clientPython(t, "dbt")), "dbt")
	own := *c // what fails belongs to this test
	own.t = t
	own.newGateway("shop", "--warehouse", "tables", "--memory", "8Gi")
	url, token := own.url("shop"), own.newToken("shop").Token
	project, started := t.TempDir(), time.Now()
	if err := os.CopyFS(project, os.DirFS(filepath.Join(root, "integration", "clients", "dbt_shop"))); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		cmd := exec.Command(dbt, "run", "--project-dir", project, "--profiles-dir", project)
		cmd.Dir = project
		cmd.Env = append(os.Environ(), "LIVY_URL="+url, "LIVY_TOKEN="+token)
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "PASS=2 WARN=0 ERROR=0") {
			t.Fatalf("dbt: %v\n%s", err, out)
		}
	}
	run := pinned(t, "dbt-spark-livy", "dbt.txt", "dbt-spark-livy")
	run.Login, run.Ran = byPassword, "two models, twice"
	run.ran(t, started)
}
