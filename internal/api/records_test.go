package api_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/api"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// What is no id must not be taken for id 0, least of all to close it.
func TestARecordIsNamedByItsID(t *testing.T) {
	s, _ := storetest.Mini(t)
	c := newClientOn(t, s)
	var g api.Gateway
	c.do("POST", base, `{"name":"etl"}`, 201, &g)
	now := time.Now().UTC()
	r := &store.Record{ID: "livy-1", GatewayID: g.ID, Kind: "session", State: "success", Created: now, Updated: now, Ended: now}
	if err := s.SaveRecords(t.Context(), store.Fence{}, g.ID, r); err != nil {
		t.Fatal(err)
	}
	records := base + "/etl/records/"
	c.do("GET", records+"session:0", "", 200, nil)
	for _, ref := range []string{"session:", "session:x", "session:0x0", "session:99999999999999999999", "batch:0", ":0", "livy-2"} {
		c.do("GET", records+ref, "", 404, nil)
		c.do("DELETE", records+ref, "", 404, nil)
	}
}

func TestWordsOfAQueryAreNamed(t *testing.T) {
	c := newClient(t)
	c.do("POST", base, `{"name":"etl"}`, 201, nil)
	for path, want := range map[string]string{
		"/v1/audit?outcome=no": "must be done or refused", base + "/etl/usage?format=xml": "must be json or csv",
	} {
		var p api.Problem
		if c.do("GET", path, "", 400, &p); p.Rule != want {
			t.Errorf("%s: %+v", path, p)
		}
	}
}

// meanwhile is a reply during which something happens, once.
type meanwhile struct {
	*httptest.ResponseRecorder
	happens func()
}

func (w *meanwhile) Write(b []byte) (int, error) {
	if w.happens != nil {
		w.happens()
		w.happens = nil
	}
	return w.ResponseRecorder.Write(b)
}

// Sessions end while records are exported: all others are there, once.
func TestAnExportWhileSessionsEnd(t *testing.T) {
	s, _ := storetest.Mini(t)
	c := newClientOn(t, s)
	var g api.Gateway
	c.do("POST", base, `{"name":"etl"}`, 201, &g)
	const n = 1200
	start := time.Now().Add(-time.Hour).UTC()
	all := make([]*store.Record, n)
	for i := range all {
		// Some are of the same millisecond.
		at := start.Add(time.Duration(i/3) * time.Millisecond)
		r := &store.Record{ID: fmt.Sprintf("livy-%04d", i), GatewayID: g.ID, Kind: "batch", PublicID: int64(i), State: "running", Created: at, Updated: at}
		if i%2 == 0 {
			r.State, r.Ended = "dead", at.Add(time.Minute)
		}
		all[i] = r
	}
	for some := range slices.Chunk(all, 40) {
		if err := s.SaveRecords(t.Context(), store.Fence{}, g.ID, some...); err != nil {
			t.Fatal(err)
		}
	}
	end := map[string]bool{}
	happens := func() {
		for i := 1; i < n; i += 10 {
			all[i].State, all[i].Ended = "dead", time.Now()
			end[all[i].ID] = true
			if err := s.SaveRecords(t.Context(), store.Fence{}, g.ID, all[i]); err != nil {
				t.Error(err)
			}
		}
	}
	for i, state := range []string{"live", "dead"} {
		w := &meanwhile{ResponseRecorder: httptest.NewRecorder()}
		if i == 0 {
			w.happens = happens
		} else { // what has died begins anew, to die in the export
			for i := 1; i < n; i += 10 {
				all[i].State, all[i].Ended = "running", time.Time{}
				if err := s.SaveRecords(t.Context(), store.Fence{}, g.ID, all[i]); err != nil {
					t.Fatal(err)
				}
			}
			w.happens = happens
		}
		c.handler.ServeHTTP(w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, base+"/etl/records/export?state="+state, http.NoBody))
		lines := map[string]int{}
		for d := json.NewDecoder(w.Body); d.More(); {
			var r store.Record
			if err := d.Decode(&r); err != nil {
				t.Fatal(err)
			}
			lines[r.ID]++
		}
		for j, r := range all {
			want := 0
			if (j%2 == 0) == (state == "dead") {
				want = 1
			}
			if got := lines[r.ID]; got != want && (!end[r.ID] || got > 1) {
				t.Errorf("%s: record %d is exported %d times, want %d", state, j, got, want)
			}
		}
	}
}
