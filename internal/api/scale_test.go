package api_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http/httptest"
	"os"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// scaleRecord is record n of many: a session of a year with a usual
// configuration, of one of 20 tokens.
func scaleRecord(gatewayID string, n int, start time.Time) *store.Record {
	kind := []string{"session", "batch"}[n%2]
	created := start.Add(time.Duration(n) * 30 * time.Second)
	id := fmt.Sprintf("livy-%016x", n)
	r := &store.Record{
		ID: id, GatewayID: gatewayID, Kind: kind, PublicID: int64(n / 2), LivyID: int64(n / 2), Epoch: 1,
		Name: id, State: []string{"success", "dead", "killed", "gone"}[n%4], TokenID: fmt.Sprintf("lctk-%016d", n%20), TokenName: "airflow",
		ClientAddr: "192.0.2.17", AppID: fmt.Sprintf("application_1700000000000_%07d", n),
		Resources: []byte(`{"kind":"pyspark","name":"` + id + `","queue":"root.etl","driverMemory":"2g","driverCores":1,"executorMemory":"4g","executorCores":2,"numExecutors":4,` +
			`"conf":{"spark.livygateway.gateway":"lc-scale","spark.sql.shuffle.partitions":"64"}}`),
		Policy:   []byte(`{"forced":[{"key":"queue","set":"root.etl","rule":"the gateway's queue","source":"gateway queue"}]}`),
		MilliCPU: 9000, MemoryMB: 18432, VCoreSeconds: 540, MBSeconds: 1105920,
		Log:     []string{"stdout: ", "2026-01-01 INFO SparkContext: Successfully stopped SparkContext", "\nstderr: "},
		Created: created, Started: created, Updated: created.Add(time.Minute), Ended: created.Add(time.Minute),
	}
	return r
}

// TestScale measures a gateway with very many records: how long pages of the API
// take, over HTTP, and how much of Redis's memory a record is. LIVYGW_RECORDS says how many (default
// 4,000; "1000000" for the figures in docs/sessions.md).
func TestScale(t *testing.T) {
	n, limit := 4_000, 2*time.Second // of a machine that is busy with other tests
	if text := os.Getenv("LIVYGW_RECORDS"); text != "" {
		n, _ = strconv.Atoi(text)
		limit = 50 * time.Millisecond
	} else if testing.Short() {
		t.Skip("needs time: records by the thousand are left out of short runs")
	}
	s, srv := storetest.Real(t)
	c := newClientOn(t, s)
	var g api.Gateway
	c.do("POST", base, `{"name":"etl"}`, 201, &g)
	site := httptest.NewServer(c.handler)
	t.Cleanup(site.Close)
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	used := func() int64 {
		text := fmt.Sprint(srv.MustDo("INFO", "memory"))
		for line := range strings.Lines(text) {
			if v, ok := strings.CutPrefix(strings.TrimSpace(line), "used_memory:"); ok {
				m, _ := strconv.ParseInt(v, 10, 64)
				return m
			}
		}
		return 0
	}
	before := used()
	begun := time.Now()
	generate(t, s, g.ID, n, start)
	wrote := time.Since(begun)
	perRecord := float64(used()-before) / float64(n)
	t.Logf("%d records written in %s; %.0f bytes of Redis memory each", n, wrote.Round(time.Millisecond), perRecord)
	if perRecord > 3000 {
		t.Errorf("a record takes %.0f bytes, want at most 3000", perRecord)
	}

	at := func(i int) string { return start.Add(time.Duration(i) * 30 * time.Second).Format(time.RFC3339) }
	for _, p := range []struct {
		what, query  string
		total, items int
	}{
		{"newest", "", n, 100},
		{"deep in the list", fmt.Sprintf("&offset=%d", n-100), n, 100},
		{"of a token", "&token=lctk-0000000000000007", n / 20, 100},
		{"of a token, deep", fmt.Sprintf("&token=lctk-0000000000000007&offset=%d", n/20-50), n / 20, 50},
		{"of a state", "&state=dead", n / 4, 100},
		{"of a state, deep", fmt.Sprintf("&state=dead&offset=%d", n/4-100), n / 4, 100},
		{"of a token and state", "&token=lctk-0000000000000003&state=gone", n / 20, 100},
		{"of a time", fmt.Sprintf("&from=%s&until=%s&offset=50", at(n/4), at(n/2)), n / 4, 100},
		{"of a time, deep", fmt.Sprintf("&from=%s&until=%s&offset=%d", at(n/4), at(n/2), n/4-10), n / 4, 10},
		{"of all these at once", fmt.Sprintf("&token=lctk-0000000000000003&state=gone&until=%s&offset=10", at(n/2)), n / 40, 90},
		{"that live", "&state=live", 0, 0},
		{"of an unknown token", "&token=lctk-none", 0, 0},
		{"of a state never seen", "&state=error", 0, 0},
	} {
		took := make([]time.Duration, 0, 21)
		for range 21 {
			begun := time.Now()
			resp, err := site.Client().Get(site.URL + base + "/etl/records?limit=100" + p.query)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			took = append(took, time.Since(begun))
			var page api.RecordList
			if err == nil {
				err = json.Unmarshal(body, &page)
			}
			if err != nil || resp.StatusCode != 200 || page.Total != int64(p.total) || len(page.Records) < min(p.items, p.total) {
				t.Fatalf("%s: %d, %d records of %d, %v; want %d of %d", p.what, resp.StatusCode, len(page.Records), page.Total, err, p.items, p.total)
			}
			for i := 1; i < len(page.Records); i++ {
				if page.Records[i].Created.After(page.Records[i-1].Created) {
					t.Fatalf("%s: not newest first", p.what)
				}
			}
		}
		slices.Sort(took)
		t.Logf("page of 100 %-22s median %6s  worst %6s", p.what, took[10].Round(10*time.Microsecond), took[20].Round(10*time.Microsecond))
		if took[10] > limit {
			t.Errorf("%s takes %s, want below %s", p.what, took[10], limit)
		}
	}
}

// generate writes n records from several connections at once.
func generate(t *testing.T, s *store.Store, gatewayID string, n int, start time.Time) {
	t.Helper()
	var wg sync.WaitGroup
	next := make(chan int)
	for range runtime.NumCPU() {
		wg.Go(func() {
			for first := range next {
				batch := make([]*store.Record, 0, 200)
				for i := first; i < min(n, first+200); i++ {
					batch = append(batch, scaleRecord(gatewayID, i, start))
				}
				err := store.Retry(context.Background(), 30*time.Second, func(ctx context.Context) error {
					return s.SaveRecords(ctx, store.Fence{}, gatewayID, batch...)
				})
				if err != nil {
					t.Error(err)
				}
			}
		})
	}
	for i := 0; i < n; i += 200 {
		next <- i
	}
	close(next)
	wg.Wait()
}
