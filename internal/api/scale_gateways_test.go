package api_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// manyGateways stores n gateways with a usual configuration.
func manyGateways(t *testing.T, s *store.Store, n int) []*gateway.Gateway {
	t.Helper()
	all := make([]*gateway.Gateway, n)
	now := time.Now().UTC()
	for i := range all {
		g := &gateway.Gateway{
			ID: fmt.Sprintf("lc-%016x", i), Workspace: fmt.Sprintf("team-%02d", i%20),
			Spec: gateway.Spec{
				Name: fmt.Sprintf("etl-%04d", i), Engine: "double", CPU: 2, Memory: "8Gi", Queue: "root.etl",
				SparkDefaults:  "spark.executor.memory 4g\nspark.executor.cores 2\nspark.sql.shuffle.partitions " + strconv.Itoa(i) + "\n",
				SparkBlacklist: "spark.driver.extraJavaOptions\n",
			},
			Desired: gateway.StateStopped, CreatedBy: "ann", CreatedAt: now, UpdatedAt: now,
		}
		g.Enter(gateway.StateCreated, "", "ann", now)
		if err := s.SaveGateway(t.Context(), g, store.Write{}); err != nil {
			t.Fatal(err)
		}
		all[i] = g
	}
	return all
}

// TestScaleOfGateways measures, over HTTP, the calls that the console's first pages make,
// with very many gateways. LIVYGW_GATEWAYS is their number (default 200), of which each has
// 100 records; "1000" makes the figures in docs/api.md.
func TestScaleOfGateways(t *testing.T) {
	n, limit := 200, 500*time.Millisecond // of a machine that is busy with other tests
	if text := os.Getenv("LIVYGW_GATEWAYS"); text != "" {
		n, _ = strconv.Atoi(text)
		limit = 250 * time.Millisecond
	} else if testing.Short() {
		t.Skip("needs time: gateways by the hundred are left out of short runs")
	}
	s, _ := storetest.Real(t)
	start := time.Now().UTC().Add(-100 * time.Hour)
	for i, g := range manyGateways(t, s, n) {
		records := make([]*store.Record, 100)
		for k := range records {
			r := scaleRecord(g.ID, k, start.Add(time.Duration(i)*time.Second))
			r.ID = fmt.Sprintf("livy-%08x%08x", i, k)
			r.Created = start.Add(time.Duration(k)*time.Hour + time.Duration(i)*time.Second)
			r.Started, r.Updated, r.Ended = r.Created, r.Created.Add(time.Minute), r.Created.Add(time.Minute)
			records[k] = r
		}
		if err := s.SaveRecords(t.Context(), store.Fence{}, g.ID, records...); err != nil {
			t.Fatal(err)
		}
	}
	c := newClientPolling(t, s, 0) // as usual
	site := httptest.NewServer(c.handler)
	t.Cleanup(site.Close)
	// The overview is last: by then the instance has begun to look after all gateways.
	for _, path := range []string{
		"/v1/gateways?limit=100", "/v1/gateways?limit=50&live=true&offset=" + strconv.Itoa(n-50), "/v1/gateways?limit=1000",
		"/v1/workspaces/team-07/gateways/etl-0007", "/v1/records?limit=100", "/v1/me", "/v1/overview",
	} {
		took := make([]time.Duration, 0, 21)
		size := 0
		for range 21 {
			begun := time.Now()
			resp, err := site.Client().Get(site.URL + path)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(resp.Body)
			_ = resp.Body.Close()
			took = append(took, time.Since(begun))
			if size = len(body); err != nil || resp.StatusCode != http.StatusOK {
				t.Fatalf("%s: %d, %v: %s", path, resp.StatusCode, err, body)
			}
		}
		first := took[0]
		slices.Sort(took)
		round := func(d time.Duration) time.Duration { return d.Round(10 * time.Microsecond) }
		t.Logf("%-45s %7d bytes  first %8s  median %8s  worst %8s", path, size, round(first), round(took[10]), round(took[20]))
		if took[10] > limit {
			t.Errorf("%s takes %s, want below %s", path, took[10], limit)
		}
	}
}
