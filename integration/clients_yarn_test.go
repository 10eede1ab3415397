package integration

import (
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/require"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// TestArgumentsOnYarn: in cluster mode a shell of YARN's starts the driver, and is not to
// make commands of what stands in a job's arguments.
func TestArgumentsOnYarn(t *testing.T) {
	l := processLive(t)
	require.Need(t, require.Livy080, l.interactive, "this engine runs no interactive sessions")
	y := startYarn(t)
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o777); err != nil { // YARN's containers may run as somebody else
		t.Fatal(err)
	}
	job, out := filepath.Join(dir, "arguments.py"), filepath.Join(dir, "arguments.json")
	text := "import json, sys\nfrom pyspark import SparkContext\nSparkContext().stop()\njson.dump(sys.argv[2:], open(sys.argv[1], 'w'))\n"
	if err := os.WriteFile(job, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	c := newCaddy(t, storetest.StartServer(t), l.livyBlock+"\nstart_timeout 6m\nqueue root.etl root.adhoc\nlocal_dir "+dir+y.block("lake", "cluster"))
	yarnGateway(t, c, y, "etl", "lake", "alice")
	cl := client{t, c.url("etl"), c.newToken("etl").Token}
	args := []string{"$(id)", "$HOME", "${HOME}", `it's "quoted"`, `back\slash`, "a;id", "a|id", "a && id", "*", "ü"}
	var b batch
	cl.expect(http.StatusCreated, "POST", "/batches", map[string]any{"file": "file:" + job, "args": append([]string{out}, args...)}, &b)
	if state, log := cl.batchDoneWithin(6*time.Minute, b.ID); state != "success" {
		t.Fatalf("the batch ended %s:\n%s", state, log)
	}
	var got []string
	raw, err := os.ReadFile(out)
	if err != nil || json.Unmarshal(raw, &got) != nil || !slices.Equal(got, args) {
		t.Errorf("the job got %s, %v; want %q", raw, err, args)
	}
	// A backtick is the one character that would be made a command of.
	r := cl.do("POST", "/batches", map[string]any{"file": "file:" + job, "args": []string{out, "select * from db.`t`"}})
	if r.status != http.StatusBadRequest || !strings.Contains(r.msg(t), "backticks") {
		t.Errorf("backticks: %d %s", r.status, r.body)
	}
}
