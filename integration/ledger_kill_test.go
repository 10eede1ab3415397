package integration

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/require"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// submitNoter is a spark-submit that notes the name of what it was to run, and a
// mark that the client gave, and lets it end soon. A batch has both among its
// arguments, a session in its properties file.
const submitNoter = `#!/bin/sh
if [ "$1" = --version ]; then
	echo "version 3.5.8" >&2
	echo "Using Scala version 2.12.18" >&2
	exit 0
fi
name=
previous=
properties=
for arg in "$@"; do
	if [ "$previous" = --name ]; then name=$arg; fi
	if [ "$previous" = --properties-file ]; then properties=$arg; fi
	previous=$arg
done
mark=$previous
kind=batch
if [ -n "$properties" ]; then
	kind=session
	name=$(sed -n 's/^spark.app.name=//p' "$properties")
	mark=$(sed -n 's/^spark.test.mark=//p' "$properties")
fi
echo "$kind:$name $mark" >> "NOTES"
sleep 2
`

// notingSpark is a SPARK_HOME whose jobs only note their names; it returns the
// file with the notes too.
func notingSpark(t *testing.T) (home, notes string) {
	t.Helper()
	home = t.TempDir()
	notes = filepath.Join(home, "notes")
	for _, d := range []string{"bin", "jars", "python/lib", "R/lib"} {
		if err := os.MkdirAll(filepath.Join(home, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	for _, f := range []string{"python/lib/pyspark.zip", "python/lib/py4j-0.10.9.7-src.zip", "R/lib/sparkr.zip"} {
		write(t, filepath.Join(home, f), "")
	}
	write(t, notes, "")
	submit := filepath.Join(home, "bin", "spark-submit")
	write(t, submit, strings.ReplaceAll(submitNoter, "NOTES", notes))
	if err := os.Chmod(submit, 0o755); err != nil {
		t.Fatal(err)
	}
	return home, notes
}

// kills is how often something is killed: by default each once or twice,
// LIVYGW_KILLS times in the long run (make torture), but not for longer than LIVYGW_KILL_FOR.
func kills() int {
	if n, err := strconv.Atoi(os.Getenv("LIVYGW_KILLS")); err == nil {
		return n
	}
	return 5
}

// killFor bounds the time in which things are killed.
func killFor() time.Duration {
	if d, err := time.ParseDuration(os.Getenv("LIVYGW_KILL_FOR")); err == nil {
		return d
	}
	return time.Hour
}

// repeated ends the marks of creates that are repeated until they go through.
const repeated = "-again"

// created is what a client was told: the kind and mark that it sent, and the id
// that it got.
type created struct {
	kind, mark string
	id         int64
}

// TestKillAnything has 8 clients create batches and sessions through two instances, on a
// gateway with three servers, while Caddy, Redis and the real Livy servers are killed at
// random. Some of them repeat a create with an Idempotency-Key until it went through.
// Afterwards whatever spark-submit ever saw has exactly one record, and no client got an id
// that belonged to another.
func TestKillAnything(t *testing.T) {
	e := preparedEngine()
	require.Need(t, require.Livy, e != nil, "no engine is prepared (make engine)")
	if testing.Short() {
		t.Skip("needs time: killing servers is left out of short runs")
	}
	redis := storetest.StartServer(t)
	spark, notes := notingSpark(t)
	stateDir := t.TempDir()
	t.Cleanup(func() { endProcesses(t, stateDir) })
	block := `runtime process {
			state_dir ` + stateDir + `
		}
		engine spark-3.5 {
			livy ` + strings.TrimSuffix(e.Livy, "-incubating") + `
			livy_home ` + e.LivyHome + `
			spark_home ` + spark + `
		}
		local_dir /jobs`
	c := newCaddy(t, redis, block)
	instances := []*caddy{c, newCaddy(t, redis, block)}
	g := c.newGateway("etl", "--servers", "3")
	token := c.newToken("etl").Token
	clients := []client{{t: t, base: c.url(g.ID), token: token}, {t: t, base: instances[1].url(g.ID), token: token}}
	allServe := func() bool { return strings.Contains(c.livy("gateway", "show", "etl"), "3 of 3 Livy servers serve") }
	eventually(t, 2*time.Minute, "three servers", allServe)

	var done atomic.Bool
	var wg sync.WaitGroup
	var mu sync.Mutex
	var told []created
	answers := map[int]int{} // how many of each status; 0 is no answer
	end := time.Now().Add(time.Duration(8+kills()) * time.Minute)
	enough := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return done.Load() && len(told) >= 200 || time.Now().After(end)
	}
	send := func(cl client, try created, header map[string]string) (ok bool) {
		path, body := "/batches", map[string]any{"file": "local:/jobs/job.py", "args": []string{try.mark}}
		if try.kind == "session" {
			path, body = "/sessions", map[string]any{"kind": "pyspark", "conf": map[string]string{"spark.test.mark": try.mark}}
		}
		r, err := cl.tryWith("POST", path, body, header)
		mu.Lock()
		defer mu.Unlock()
		answers[r.status]++
		if err == nil && r.status != 201 && r.status != 503 && !strings.Contains(string(r.body), "too many sessions are being created") {
			t.Errorf("a create of a %s was answered %d: %.500s", try.kind, r.status, r.body)
		}
		if err != nil || r.status != 201 {
			return false
		}
		var s struct{ ID int64 }
		if err := json.Unmarshal(r.body, &s); err != nil {
			t.Errorf("%s: %v", r.body, err)
		}
		try.id = s.ID
		told = append(told, try)
		return true
	}
	for n := range 8 {
		wg.Go(func() {
			for i := 0; !enough(); i++ {
				try := created{kind: "batch", mark: fmt.Sprintf("mark-%d-%d", n, i)}
				if i%4 == 3 && e.Interactive {
					try.kind = "session"
				}
				var header map[string]string
				if i%5 == 0 {
					try.mark += repeated
					header = map[string]string{"Idempotency-Key": try.mark}
				}
				for !send(clients[(n+i)%2], try, header) {
					time.Sleep(300 * time.Millisecond)
					if header == nil || enough() {
						break
					}
				}
				time.Sleep(100 * time.Millisecond)
			}
		})
	}
	livyPIDs := func() (pids []int) {
		files, _ := filepath.Glob(filepath.Join(stateDir, "*", "*", "state.json"))
		for _, f := range files {
			var s struct{ PID int }
			if text, err := os.ReadFile(f); err == nil && json.Unmarshal(text, &s) == nil && s.PID > 1 {
				pids = append(pids, s.PID)
			}
		}
		return pids
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	dice := rand.New(rand.NewPCG(seed, 0))
	victims := []string{"livy", "redis", "caddy", "all Livy servers"}
	begun, killed := time.Now(), map[string]int{}
	for i := 0; i < kills() && time.Since(begun) < killFor(); i++ {
		time.Sleep(time.Duration(500+dice.IntN(2000)) * time.Millisecond)
		victim := victims[dice.IntN(len(victims))]
		if i < 3 {
			victim = victims[i]
		}
		killed[victim]++
		switch victim {
		case "caddy":
			one := instances[dice.IntN(2)]
			one.kill()
			time.Sleep(time.Duration(dice.IntN(1000)) * time.Millisecond)
			one.start()
		case "redis":
			redis.Kill()
			time.Sleep(time.Duration(dice.IntN(2000)) * time.Millisecond)
			redis.Restart()
		default:
			pids := livyPIDs()
			dice.Shuffle(len(pids), func(i, j int) { pids[i], pids[j] = pids[j], pids[i] })
			if victim == "livy" {
				pids = pids[:min(1, len(pids))]
			}
			for _, pid := range pids {
				_ = syscall.Kill(-pid, syscall.SIGKILL)
				_ = syscall.Kill(pid, syscall.SIGKILL)
			}
		}
		for _, cl := range clients {
			eventually(t, 3*time.Minute, "the gateway serves again", func() bool {
				r, err := cl.try("GET", "/batches?size=1", nil)
				return err == nil && r.status == 200
			})
		}
	}
	t.Logf("killed in %s: %v", time.Since(begun).Round(time.Second), killed)
	done.Store(true)
	wg.Wait()
	eventually(t, 2*time.Minute, "three servers at the end", allServe)
	perServer := regexp.MustCompile(`\d+ (primary|serving) since .*`).FindAllString(c.livy("gateway", "show", "etl"), -1)
	t.Logf("the servers at the end: %q", perServer)
	t.Logf("answers by status (0: none): %v", answers)
	checkLedger(t, c, notes, told, 200, e.Interactive)
}

// noted are the marks that spark-submit saw, by kind and name.
func noted(t *testing.T, path string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	marks := map[string]string{}
	for line := range strings.Lines(string(text)) {
		name, mark, _ := strings.Cut(strings.TrimSpace(line), " ")
		if marks[name] != "" {
			t.Errorf("spark-submit saw %s twice: %s and %s", name, marks[name], mark)
		}
		marks[name] = mark
	}
	return marks
}

type fullRecord struct {
	ID, Name, Kind, State, Reason, TokenID string
	PublicID, LivyID                       int64
	Created, Ended                         time.Time
}

func exported(t *testing.T, c *caddy) []fullRecord {
	t.Helper()
	var all []fullRecord
	for line := range strings.Lines(c.livy("session", "export", "--gateway", "etl")) {
		var r fullRecord
		if err := json.Unmarshal([]byte(line), &r); err != nil {
			t.Fatalf("%s: %v", line, err)
		}
		all = append(all, r)
	}
	return all
}

// checkLedger holds the records against what spark-submit saw and clients were
// told. At least so many creates must have gone through.
func checkLedger(t *testing.T, c *caddy, notes string, told []created, least int, sessions bool) {
	t.Helper()
	var records []fullRecord
	eventually(t, 90*time.Second, "a record of everything that spark-submit saw", func() bool {
		records = exported(t, c)
		known := map[string]bool{}
		for _, r := range records {
			known[r.Kind+":"+r.Name] = true
		}
		for name := range noted(t, notes) {
			if !known[name] {
				return false
			}
		}
		return true
	})
	marks := noted(t, notes)
	byName, byID := map[string]int{}, map[string]fullRecord{}
	ref := func(kind string, id int64) string { return kind + ":" + strconv.FormatInt(id, 10) }
	for _, r := range records {
		byName[r.Kind+":"+r.Name]++
		if r.TokenID == "" {
			t.Errorf("nobody is known to have created %+v", r)
		}
		if r.PublicID >= 0 {
			if other, twice := byID[ref(r.Kind, r.PublicID)]; twice {
				t.Errorf("two records of %s %d: %+v and %+v", r.Kind, r.PublicID, other, r)
			}
			byID[ref(r.Kind, r.PublicID)] = r
		}
	}
	seen := map[string]int{}
	for name := range marks {
		kind, _, _ := strings.Cut(name, ":")
		seen[kind]++
		if byName[name] != 1 {
			t.Errorf("%d records of %s", byName[name], name)
		}
	}
	owner := map[string]string{}
	for _, got := range told {
		id := ref(got.kind, got.id)
		if other := owner[id]; other != "" {
			t.Errorf("%s was given to %s and to %s", id, other, got.mark)
		}
		owner[id] = got.mark
		r, ok := byID[id]
		if !ok {
			// The reply came, the server ended before anybody could note its id: the
			// record is there, under its name, without the id.
			continue
		}
		if mark := marks[r.Kind+":"+r.Name]; mark != "" && mark != got.mark {
			t.Errorf("%s was given to %s and is %s", id, got.mark, mark)
		}
	}
	// What a client repeated may have been started again after it ended, with the
	// server that it was on, but never beside itself.
	started := map[string][]fullRecord{}
	for _, r := range records { // newest first
		mark := marks[r.Kind+":"+r.Name]
		if !strings.HasSuffix(mark, repeated) {
			continue
		}
		if after := started[mark]; len(after) > 0 && (r.Ended.IsZero() || after[len(after)-1].Created.Before(r.Ended)) {
			t.Errorf("%s was started twice: %+v and %+v", mark, r, after[len(after)-1])
		}
		started[mark] = append(started[mark], r)
	}
	t.Logf("%d creates had an Idempotency-Key", len(started))
	t.Logf("seen by spark-submit: %v; %d records, %d ids given out", seen, len(records), len(told))
	if len(told) < least || seen["batch"] == 0 || seen["session"] == 0 && sessions {
		t.Errorf("only %d creates went through, want %d of both kinds", len(told), least)
	}
}
