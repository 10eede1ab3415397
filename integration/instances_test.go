package integration

import (
	"bufio"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
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

// rounds is how often an instance is killed or halted: a few times, or
// LIVYGW_ROUNDS times in the long run (make torture).
func rounds() int {
	if n, err := strconv.Atoi(os.Getenv("LIVYGW_ROUNDS")); err == nil {
		return n
	}
	return 4
}

// notesInside is where spark-submit notes what it saw, in the container.
const notesInside = "/tmp/notes"

// notingImage is the engine image with a spark-submit that only notes.
func notingImage(t *testing.T) string {
	t.Helper()
	dir, tag := t.TempDir(), fmt.Sprintf("livygateway/noting:test-%d", os.Getpid())
	write(t, filepath.Join(dir, "spark-submit"), strings.ReplaceAll(submitNoter, "NOTES", notesInside))
	cmd := exec.Command("docker", "build", "-q", "-t", tag, dir)
	write(t, filepath.Join(dir, "Dockerfile"), "FROM "+image()+"\nUSER root\nCOPY spark-submit /opt/spark/bin/spark-submit\nRUN chmod 755 /opt/spark/bin/spark-submit\nUSER 10001:10001\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("building the image: %v\n%s", err, out)
	}
	t.Cleanup(func() { _ = docker("rmi", tag) })
	return tag
}

// containers follows the Docker engine's own account of what runs.
type containers struct {
	mu      sync.Mutex
	running map[string]map[string]bool // by gateway, container ids
	started map[string]int
	worst   map[string]int
}

func watchContainers(t *testing.T, namespace string) *containers {
	t.Helper()
	w := &containers{running: map[string]map[string]bool{}, started: map[string]int{}, worst: map[string]int{}}
	cmd := exec.Command("docker", "events", "--filter", "label=io.github.livygateway.namespace="+namespace,
		"--filter", "event=start", "--filter", "event=die",
		"--format", `{{.Status}} {{.ID}} {{index .Actor.Attributes "io.github.livygateway.gateway"}}`)
	out, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan struct{})
	t.Cleanup(func() { _ = cmd.Process.Kill(); <-ended; _ = cmd.Wait() })
	go func() {
		defer close(ended)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			f := strings.Fields(lines.Text())
			if len(f) == 3 {
				w.note(f[0], f[1], f[2])
			}
		}
	}()
	return w
}

func (w *containers) note(what, id, gateway string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.running[gateway] == nil {
		w.running[gateway] = map[string]bool{}
	}
	if what == "die" {
		delete(w.running[gateway], id)
		return
	}
	w.running[gateway][id] = true
	w.started[gateway]++
	w.worst[gateway] = max(w.worst[gateway], len(w.running[gateway]))
}

// holder is the process id of the instance that holds a gateway's lease, 0 while
// nobody does.
func holder(redis *storetest.Server, gatewayID string) int {
	lease, err := redis.Do("HGET", "livygw:leases", gatewayID)
	text, _ := lease.(string)
	f := strings.Fields(text)
	if err != nil || len(f) != 3 {
		return 0
	}
	if until, _ := strconv.ParseInt(f[1], 10, 64); until < time.Now().UnixMilli() {
		return 0
	}
	about, _ := redis.Do("HGET", "livygw:instances", f[2])
	text, _ = about.(string)
	_, text, _ = strings.Cut(text, " ")
	var in struct{ Name string }
	_ = json.Unmarshal([]byte(text), &in)
	pid, _ := strconv.Atoi(in.Name[strings.LastIndexByte(in.Name, '/')+1:])
	return pid
}

// TestTwoInstances has clients create and delete batches and sessions, and one
// gateway started and stopped, through two Caddys on one Redis, while either is
// killed, halted and let go on. Some clients repeat a create with an
// Idempotency-Key, at the other instance, until it went through. Never do two containers of a
// gateway run, the gateway that nobody stops keeps its container, and no record is lost or doubled.
func TestTwoInstances(t *testing.T) {
	require.Need(t, require.Docker, dockerAnswers(), "no Docker engine answers")
	require.Need(t, require.Image, imageThere(), "image "+image()+" is not there (make image)")
	if testing.Short() {
		t.Skip("needs time: killing instances is left out of short runs")
	}
	redis := storetest.StartServer(t)
	namespace := fmt.Sprintf("test-instances-%d", os.Getpid())
	t.Cleanup(func() { removeContainers(t, namespace) })
	block := `runtime docker {
			namespace ` + namespace + `
		}
		engine spark-3.5 {
			livy ` + imageLivy() + `
			image ` + notingImage(t) + `
		}
		local_dir /jobs`
	both := [2]*caddy{newCaddy(t, redis, block), newCaddy(t, redis, block)}
	watch := watchContainers(t, namespace)
	g := both[0].newGateway("etl")
	var churn gateway
	both[1].json(&churn, "gateway", "create", "churn", "--json")
	t.Cleanup(func() { _, _ = both[0].tryLivy("gateway", "delete", "churn", "--force") })
	token := both[0].newToken("etl").Token
	at := func(i int) client { return client{t: t, base: both[i].url(g.ID), token: token} }
	least := 12 * rounds()
	interactive := !strings.Contains(image(), ":0.7.")

	var victim atomic.Int32 // the one that may not answer
	var done atomic.Bool
	var mu sync.Mutex
	var told []created
	answers := map[int]int{}
	var wg sync.WaitGroup
	end := time.Now().Add(time.Duration(3+rounds()) * time.Minute)
	enough := func() bool {
		mu.Lock()
		defer mu.Unlock()
		return done.Load() && len(told) >= least || time.Now().After(end)
	}
	create := func(cl client, try created, path string, body any, header map[string]string) (id int64, ok bool) {
		r, err := cl.tryWith("POST", path, body, header)
		mu.Lock()
		defer mu.Unlock()
		answers[r.status]++
		if err != nil || r.status != 201 {
			return 0, false
		}
		var b struct{ ID int64 }
		if err := json.Unmarshal(r.body, &b); err != nil {
			t.Errorf("%s: %v", r.body, err)
		}
		try.id = b.ID
		told = append(told, try)
		return b.ID, true
	}
	for n := range 6 {
		wg.Go(func() {
			for i := 0; !enough(); i++ {
				mark := fmt.Sprintf("mark-%d-%d", n, i)
				kind, path, body := "batch", "/batches", map[string]any{"file": "local:/jobs/job.py"}
				if i%4 == 3 && interactive {
					kind, path, body = "session", "/sessions", map[string]any{"kind": "pyspark"}
				}
				var header map[string]string
				if i%5 == 2 { // such a client goes on, at the other instance, until it went through
					mark += repeated
					header = map[string]string{"Idempotency-Key": mark}
				}
				if kind == "batch" {
					body["args"] = []string{mark}
				} else {
					body["conf"] = map[string]string{"spark.test.mark": mark}
				}
				id, ok := create(at((n+i)%2), created{kind: kind, mark: mark}, path, body, header)
				for again := 1; !ok && header != nil && !enough(); again++ {
					time.Sleep(300 * time.Millisecond)
					id, ok = create(at((n+i+again)%2), created{kind: kind, mark: mark}, path, body, header)
				}
				if ok && i%3 == 0 {
					_, _ = at((n+i+1)%2).try("DELETE", fmt.Sprintf("%s/%d", path, id), nil)
				}
				time.Sleep(time.Duration(300+rand.IntN(300)) * time.Millisecond)
			}
		})
	}
	wg.Go(func() { // may fail: the instance may be killed while it answers
		for i := 0; !done.Load(); i++ {
			what := []string{"start", "stop"}[i%2]
			_, _ = both[1-victim.Load()].tryLivy("gateway", what, "churn")
			time.Sleep(time.Duration(2000+rand.IntN(4000)) * time.Millisecond)
		}
	})

	dice := rand.New(rand.NewPCG(uint64(time.Now().UnixNano()), 0))
	var moved []time.Duration
	for round := range rounds() {
		time.Sleep(time.Duration(500+dice.IntN(1500)) * time.Millisecond)
		v := dice.IntN(2)
		if round%4 != 3 { // mostly the one that has something to lose
			eventually(t, 20*time.Second, "a holder", func() bool { return holder(redis, g.ID) != 0 })
			v = 0
			if holder(redis, g.ID) == both[1].cmd.Process.Pid {
				v = 1
			}
		}
		other := both[1-v].cmd.Process.Pid
		held := holder(redis, g.ID) == both[v].cmd.Process.Pid
		victim.Store(int32(v))
		began := time.Now()
		follow := func() {
			if !held {
				return
			}
			eventually(t, 15*time.Second, "the other instance holds the lease", func() bool { return holder(redis, g.ID) == other })
			moved = append(moved, time.Since(began))
		}
		if round%2 == 0 {
			t.Logf("round %d: killing instance %d, which holds the lease: %v", round, v, held)
			both[v].kill()
			follow()
			both[v].start()
		} else {
			t.Logf("round %d: halting instance %d, which holds the lease: %v", round, v, held)
			if err := both[v].cmd.Process.Signal(syscall.SIGSTOP); err != nil {
				t.Fatal(err)
			}
			time.Sleep(time.Duration(dice.IntN(3000)) * time.Millisecond)
			follow()
			time.Sleep(time.Duration(dice.IntN(2000)) * time.Millisecond)
			if err := both[v].cmd.Process.Signal(syscall.SIGCONT); err != nil {
				t.Fatal(err)
			}
		}
		for i := range both {
			eventually(t, 30*time.Second, "both serve", func() bool {
				r, err := at(i).try("GET", "/batches?size=1", nil)
				return err == nil && r.status == 200
			})
		}
	}
	done.Store(true)
	wg.Wait()
	slices.Sort(moved)
	t.Logf("the lease moved within %v; answers by status (0: none): %v", moved, answers)
	if len(moved) > 0 && moved[len(moved)-1] > 10*time.Second {
		t.Errorf("it took %v for a lease to move", moved[len(moved)-1])
	}
	if now := both[1].show("etl"); now.Status.Instance != g.Status.Instance || now.Status.State != "Running" {
		t.Errorf("the gateway is %s on %s, was on %s", now.Status.State, now.Status.Instance, g.Status.Instance)
	}
	watch.mu.Lock()
	if watch.worst[churn.ID] != 1 || watch.worst[g.ID] != 1 || watch.started[g.ID] != 1 {
		t.Errorf("most containers at a time: %v; started: %v", watch.worst, watch.started)
	}
	t.Logf("containers started: %d of the gateway that was left alone, %d of the other", watch.started[g.ID], watch.started[churn.ID])
	watch.mu.Unlock()
	notes := filepath.Join(t.TempDir(), "notes")
	time.Sleep(3 * time.Second) // what was taken last is being started
	if err := docker("cp", g.container()+":"+notesInside, notes); err != nil {
		t.Fatalf("reading what spark-submit saw: %v", err)
	}
	checkLedger(t, both[1], notes, told, least, interactive)
}
