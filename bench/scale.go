package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/tokens"
)

// size is how much an installation has.
type size struct{ Gateways, Tokens, Records int }

// The sizes that are compared, and the larger ones of -scale=full, which take long to write.
var (
	sizes     = []size{{1, 10, 0}, {100, 1000, 10_000}, {1000, 10_000, 100_000}}
	fullSizes = append(slices.Clip(sizes), size{1000, 100_000, 1_000_000})
)

// scaled is what an installation of a size costs. CPU times are those of the gateway's process.
type scaled struct {
	size
	Ready         float64 `json:"readyMilliseconds"` // from the start until a poll is answered
	Memory        float64 `json:"residentMB"`        // two seconds later
	Loaded        float64 `json:"residentLoadedMB"`  // at the end
	Idle          float64 `json:"idlePercentOfACore"`
	PollCPU       float64 `json:"pollMicroseconds"`
	CreateCPU     float64 `json:"createMicroseconds"`
	GetGateway    float64 `json:"getGatewayMilliseconds"` // these are medians
	ListGateways  float64 `json:"listGatewaysMilliseconds"`
	ListRecords   float64 `json:"listRecordsMilliseconds"`
	CreateGateway float64 `json:"createGatewayMicroseconds"` // CPU time
	CreateToken   float64 `json:"createTokenMicroseconds"`
}

const scaleHeadline = "| gateways | tokens | records | ready ms | resident MB | after load MB | idle % | poll µs | create µs | one gateway ms | " +
	"100 gateways ms | 100 records ms | new gateway µs | new token µs |\n|---|---|---|---|---|---|---|---|---|---|---|---|---|---|\n"

func (s *scaled) String() string {
	return fmt.Sprintf("| %d | %d | %d | %.0f | %.0f | %.0f | %.1f | %.0f | %.0f | %.1f | %.1f | %.1f | %.0f | %.0f |\n", s.Gateways, s.Tokens, s.Records,
		s.Ready, s.Memory, s.Loaded, s.Idle, s.PollCPU, s.CreateCPU, s.GetGateway, s.ListGateways, s.ListRecords, s.CreateGateway, s.CreateToken)
}

// runScale measures each size, and writes scale.md.
func runScale(o *options, all []size) error {
	backend, err := startBackend()
	if err != nil {
		return err
	}
	var text strings.Builder
	text.WriteString("# The gateway by the size of an installation\n\n" + scaleHeadline)
	fmt.Print(scaleHeadline)
	for _, n := range all {
		row, err := measureScale(o, n, backend)
		if err != nil {
			return fmt.Errorf("%+v: %w", n, err)
		}
		text.WriteString(row.String())
		fmt.Print(row.String())
	}
	if err := os.MkdirAll(o.results, 0o755); err != nil {
		return fmt.Errorf("creating the folder of results: %w", err)
	}
	return os.WriteFile(filepath.Join(o.results, "scale.md"), []byte(text.String()), 0o644)
}

func measureScale(o *options, n size, backend string) (*scaled, error) {
	dir, err := os.MkdirTemp("", "livygateway-scale-")
	if err != nil {
		return nil, fmt.Errorf("creating a directory: %w", err)
	}
	defer os.RemoveAll(dir)
	s := &servers{binary: o.binary, dir: dir}
	defer s.stop()
	redis, addr, err := s.redis()
	if err != nil {
		return nil, err
	}
	if addr == "" {
		return nil, fmt.Errorf("needs redis-server")
	}
	site, admin, err := s.caddy("gateway.Caddyfile", backend, redis)
	if err != nil {
		return nil, err
	}
	t, err := s.gateway(site, admin)
	if err != nil {
		return nil, err
	}
	if err := fillStore(redis, n); err != nil {
		return nil, err
	}
	s.stopLast()
	began := time.Now()
	site, admin, err = s.caddy("gateway.Caddyfile", backend, redis)
	if err != nil {
		return nil, err
	}
	t.addr, t.pid = site, s.pid()
	poll := &work{name: polls, all: []request{{method: "GET", path: "/sessions/0"}}}
	for {
		if _, err := measure(&t, poll, load{connections: 1, during: time.Millisecond}); err == nil {
			break
		} else if time.Since(began) > time.Minute {
			return nil, err
		}
		time.Sleep(5 * time.Millisecond)
	}
	row := &scaled{size: n, Ready: milliseconds(time.Since(began))}
	time.Sleep(2 * time.Second)
	row.Memory = residentMB(t.pid)
	api := &managementAPI{base: "http://" + admin + "/livy/v1", pid: t.pid}
	for _, step := range []func() error{
		func() (err error) { row.PollCPU, err = cpuOf(&t, poll, o.during); return err },
		func() (err error) {
			row.CreateCPU, err = cpuOf(&t, &work{name: "create", all: []request{create(1 << 10)}}, o.during)
			return err
		},
		func() (err error) {
			row.GetGateway, err = api.median("/workspaces/default/gateways/bench")
			return err
		},
		func() (err error) { row.ListGateways, err = api.median("/gateways?limit=100"); return err },
		func() (err error) {
			row.ListRecords, err = api.median("/workspaces/default/gateways/bench/records?limit=100")
			return err
		},
		func() (err error) {
			row.CreateToken, err = api.cpuOfPosts("/workspaces/default/gateways/bench/tokens", func(i int) string { return fmt.Sprintf(`{"name":"new-%d"}`, i) })
			return err
		},
		func() (err error) {
			row.CreateGateway, err = api.cpuOfPosts("/workspaces/default/gateways", func(i int) string { return fmt.Sprintf(`{"name":"new-%d"}`, i) })
			return err
		},
	} {
		if err := step(); err != nil {
			return nil, err
		}
	}
	time.Sleep(5 * time.Second) // until what was created has settled
	before := cpuTime(t.pid)
	time.Sleep(5 * time.Second)
	row.Idle = 100 * (cpuTime(t.pid) - before).Seconds() / 5
	row.Loaded = residentMB(t.pid)
	return row, nil
}

func milliseconds(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }

// cpuOf returns the CPU time of a request in microseconds.
func cpuOf(t *target, w *work, during time.Duration) (float64, error) {
	before := cpuTime(t.pid)
	got, err := measure(t, w, load{connections: 16, during: during})
	if err != nil {
		return 0, err
	}
	return float64((cpuTime(t.pid) - before).Microseconds()) / float64(max(len(got.latencies), 1)), nil
}

// residentMB returns the resident memory of a process.
func residentMB(pid int) float64 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	for line := range strings.Lines(string(text)) {
		if v, ok := strings.CutPrefix(line, "VmRSS:"); ok {
			kb, _ := strconv.Atoi(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(v), "kB")))
			return float64(kb) / 1024
		}
	}
	return 0
}

// managementAPI is the management API of a gateway.
type managementAPI struct {
	base string
	pid  int
}

func (a *managementAPI) do(method, path, body string) error {
	_, err := a.get(method, path, body)
	return err
}

func (a *managementAPI) get(method, path, body string) ([]byte, error) {
	r, err := http.NewRequest(method, a.base+path, strings.NewReader(body))
	if err != nil {
		return nil, err
	}
	r.Header.Set("Content-Type", "application/json")
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s: %s: %s", method, path, resp.Status, bytes.TrimSpace(text))
	}
	return text, err
}

// median returns how long a GET takes.
func (a *managementAPI) median(path string) (float64, error) {
	took := make([]float64, 21)
	for i := range took {
		began := time.Now()
		if err := a.do(http.MethodGet, path, ""); err != nil {
			return 0, err
		}
		took[i] = milliseconds(time.Since(began))
	}
	return median(took), nil
}

// cpuOfPosts returns the CPU time of one of 50 POSTs in microseconds.
func (a *managementAPI) cpuOfPosts(path string, body func(i int) string) (float64, error) {
	const posts = 50
	before := cpuTime(a.pid)
	for i := range posts {
		if err := a.do(http.MethodPost, path, body(i)); err != nil {
			return 0, err
		}
	}
	return float64((cpuTime(a.pid) - before).Microseconds()) / posts, nil
}

// fillStore adds stopped gateways, and tokens and records of the gateway that is there.
func fillStore(redis string, n size) error {
	ctx := context.Background()
	s, err := store.Open(store.Options{URL: redis}, zap.NewNop())
	if err != nil {
		return err
	}
	defer s.Close()
	all, err := s.Gateways(ctx)
	if err != nil || len(all) != 1 {
		return fmt.Errorf("reading the gateway: %d, %w", len(all), err)
	}
	own := all[0]
	now := time.Now().UTC()
	for i := 1; i < n.Gateways; i++ {
		g := &gateway.Gateway{
			ID: fmt.Sprintf("lc-%016x", i), Workspace: fmt.Sprintf("team-%02d", i%20), Desired: gateway.StateStopped,
			Spec: gateway.Spec{
				Name: fmt.Sprintf("etl-%04d", i), Engine: "bench",
				SparkDefaults: "spark.executor.memory 4g\nspark.executor.cores 2\nspark.sql.shuffle.partitions " + strconv.Itoa(i) + "\n",
			},
			CreatedBy: "bench", CreatedAt: now, UpdatedAt: now,
		}
		g.Enter(gateway.StateCreated, "", "bench", now)
		if err := s.SaveGateway(ctx, g, store.Write{}); err != nil {
			return err
		}
		all = append(all, g)
	}
	service := tokens.New(s, tokens.Options{}, nil)
	for i := 1; i < n.Tokens; i++ {
		name := fmt.Sprintf("token-%d", i)
		if _, _, err := service.Create(ctx, tokens.CreateRequest{GatewayID: all[i%len(all)].ID, Settings: tokens.Settings{Name: &name}}); err != nil {
			return err
		}
	}
	some := make([]*store.Record, 0, 200)
	for i := range n.Records {
		some = append(some, oldRecord(own.ID, i, now.Add(-time.Duration(n.Records-i)*30*time.Second)))
		if len(some) == cap(some) || i == n.Records-1 {
			if err := s.SaveRecords(ctx, store.Fence{}, own.ID, some...); err != nil {
				return err
			}
			some = some[:0]
		}
	}
	return nil
}

// oldRecord is a record of a batch that has ended.
func oldRecord(gatewayID string, n int, at time.Time) *store.Record {
	id := fmt.Sprintf("livy-%016x", n)
	resources, _ := json.Marshal(map[string]any{"file": "hdfs:///jobs/job.jar", "name": id, "executorMemory": "4g", "numExecutors": 4})
	return &store.Record{
		ID: id, GatewayID: gatewayID, Kind: "batch", PublicID: int64(1_000_000 + n), LivyID: int64(n), Epoch: 1, Name: id,
		State: "success", TokenID: fmt.Sprintf("lctk-%016d", n%20), TokenName: "airflow", Resources: resources,
		MilliCPU: 9000, MemoryMB: 18432, Created: at, Started: at, Updated: at.Add(time.Minute), Ended: at.Add(time.Minute),
	}
}
