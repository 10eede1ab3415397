package store_test

import (
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// mergeWorld are records of several gateways and tokens, many of the same millisecond.
func mergeWorld(t *testing.T, s *store.Store) (all []*store.Record) {
	random := rand.New(rand.NewPCG(1, 2))
	for i := range 300 {
		g := fmt.Sprintf("lc-%d", random.IntN(7))
		r := &store.Record{
			ID: fmt.Sprintf("livy-%04x", random.IntN(1<<16)*1000+i), GatewayID: g, Kind: "batch", PublicID: int64(i), LivyID: int64(i),
			TokenID: fmt.Sprintf("lctk-%s-%d", g, random.IntN(3)), State: []string{"running", "dead", "success"}[random.IntN(3)],
			Created: day.Add(time.Duration(random.IntN(40)) * time.Millisecond), Updated: day,
		}
		if r.State != "running" {
			r.Ended = r.Created.Add(time.Second)
		}
		if err := s.SaveRecords(t.Context(), store.Fence{}, g, r); err != nil {
			t.Fatal(err)
		}
		all = append(all, r)
	}
	slices.SortFunc(all, func(a, b *store.Record) int {
		if c := b.Created.Compare(a.Created); c != 0 {
			return c
		}
		return strings.Compare(b.ID, a.ID)
	})
	return all
}

// TestMergedRecords compares pages of a merge with all records, sorted.
func TestMergedRecords(t *testing.T) {
	s, _ := storetest.Mini(t)
	all := mergeWorld(t, s)
	random := rand.New(rand.NewPCG(3, 4))
	for try := range 60 {
		var sources []store.RecordSource
		chosen := map[store.RecordSource]bool{}
		for i := range 8 { // of which one is empty
			from := store.RecordSource{GatewayID: fmt.Sprintf("lc-%d", i)}
			if n := random.IntN(4); n > 0 {
				from.TokenID = fmt.Sprintf("lctk-%s-%d", from.GatewayID, n-1)
			}
			if random.IntN(3) > 0 {
				sources = append(sources, from)
				chosen[from] = true
			}
		}
		f := store.RecordFilter{State: []string{"", "dead", "running", store.StateLive}[random.IntN(4)]}
		if random.IntN(2) == 0 {
			f.From = day.Add(time.Duration(random.IntN(20)) * time.Millisecond)
		}
		if random.IntN(2) == 0 {
			f.Until = day.Add(time.Duration(10+random.IntN(30)) * time.Millisecond)
		}
		var want []string
		for _, r := range all {
			mine := chosen[store.RecordSource{GatewayID: r.GatewayID}] || chosen[store.RecordSource{GatewayID: r.GatewayID, TokenID: r.TokenID}]
			state := f.State == "" || f.State == r.State || f.State == store.StateLive && r.State == "running"
			if mine && state && !r.Created.Before(f.From) && (f.Until.IsZero() || r.Created.Before(f.Until)) {
				want = append(want, r.ID)
			}
		}
		limit := 1 + random.IntN(30)
		var got []string
		var after *store.RecordPlace
		for {
			page, last, more, err := s.MergedRecords(t.Context(), sources, f, after, 0, limit)
			if err != nil {
				t.Fatal(err)
			}
			for _, r := range page {
				got = append(got, r.ID)
			}
			if !more {
				break
			}
			back, ok := store.ParseRecordPlace(last.String())
			if !ok || len(page) != limit {
				t.Fatalf("a page of %d with more behind %s", len(page), last)
			}
			after = &back
		}
		if !slices.Equal(got, want) {
			t.Fatalf("try %d, %v, %+v, %d a page:\ngot  %v\nwant %v", try, sources, f, limit, got, want)
		}
		n, err := s.CountRecords(t.Context(), sources, f)
		if err != nil || int(n) != len(want) {
			t.Errorf("try %d: %d records are counted, %v, want %d", try, n, err, len(want))
		}
		if skip := random.IntN(len(want) + 1); skip < len(want) {
			page, _, _, err := s.MergedRecords(t.Context(), sources, f, nil, skip, 1)
			if err != nil || len(page) != 1 || page[0].ID != want[skip] {
				t.Errorf("try %d: %v behind %d, %v", try, page, skip, err)
			}
		}
	}
}

func TestRecordPlaces(t *testing.T) {
	for _, bad := range []string{"", "x", "1", "-", "1-", "x-livy-1", "-1-livy-1"} {
		if p, ok := store.ParseRecordPlace(bad); ok {
			t.Errorf("%q is %+v", bad, p)
		}
	}
}

// TestMergeOfManyGateways measures a page of the records of very many gateways.
// LIVYGW_RECORDS is the number of records (default 5,000; "100000" for docs/api.md).
func TestMergeOfManyGateways(t *testing.T) {
	records := 5_000
	if text := os.Getenv("LIVYGW_RECORDS"); text != "" {
		records, _ = strconv.Atoi(text)
	} else if testing.Short() {
		t.Skip("needs time: records by the thousand are left out of short runs")
	}
	const gateways = 1000
	s, _ := storetest.Real(t)
	var wg sync.WaitGroup
	for part := range 2 {
		wg.Go(func() {
			for g := part; g < gateways; g += 2 {
				id := fmt.Sprintf("lc-%04d", g)
				var some []*store.Record
				for i := range records / gateways {
					at := day.Add(time.Duration(i*gateways+g) * time.Second)
					if g == 1 {
						at = at.AddDate(1, 0, 0) // one that all of a page comes from
					}
					some = append(some, &store.Record{
						ID: fmt.Sprintf("livy-%04d-%06d", g, i), GatewayID: id, Kind: "batch", PublicID: int64(i), LivyID: int64(i),
						TokenID: "lctk-" + id, State: "success", Created: at, Updated: at, Ended: at,
					})
				}
				if err := s.SaveRecords(t.Context(), store.Fence{}, id, some...); err != nil {
					t.Error(err)
				}
			}
		})
	}
	wg.Wait()
	sources := make([]store.RecordSource, gateways)
	for g := range gateways {
		sources[g].GatewayID = fmt.Sprintf("lc-%04d", g)
	}
	var after *store.RecordPlace
	var took []time.Duration
	for range 21 {
		begun := time.Now()
		page, last, more, err := s.MergedRecords(t.Context(), sources, store.RecordFilter{}, after, 0, 100)
		took = append(took, time.Since(begun))
		if err != nil || len(page) != 100 || !more {
			t.Fatalf("%d records, %v", len(page), err)
		}
		after = &last
	}
	slices.Sort(took)
	t.Logf("page of 100 of %d records of %d gateways: median %s, worst %s", records, gateways, took[10].Round(10*time.Microsecond), took[20].Round(10*time.Microsecond))
	if limit := 2 * time.Second; took[10] > limit {
		t.Errorf("a page takes %s, want below %s", took[10], limit)
	}
}
