package control

import (
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

func TestOldRecordsOfAStoppedGatewayAreRemoved(t *testing.T) {
	s, _ := storetest.Mini(t)
	m := testManager(t, s, newFakeRuntime(t))
	m.Close(false) // it would look for old records by itself before there are any, and not so soon again
	g := create(t, m, "etl", false)
	for id, age := range map[string]time.Duration{"livy-old": gateway.DefaultRetention + time.Hour, "livy-new": time.Hour} {
		at := time.Now().Add(-age)
		r := &store.Record{ID: id, GatewayID: g.ID, Kind: "batch", PublicID: -1, LivyID: -1, State: "success", Created: at, Updated: at, Ended: at}
		if err := s.SaveRecords(t.Context(), store.Fence{}, g.ID, r); err != nil {
			t.Fatal(err)
		}
	}
	m.trim(t.Context())
	if left, _, err := s.Records(t.Context(), g.ID, store.RecordFilter{}, 0, 9); err != nil || len(left) != 1 || left[0].ID != "livy-new" {
		t.Errorf("%d records are left, %v", len(left), err)
	}
}
