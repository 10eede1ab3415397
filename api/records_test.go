package api_test

import (
	"testing"
	"time"

	"github.com/livygateway/livygateway/api"
	"github.com/livygateway/livygateway/store"
	"github.com/livygateway/livygateway/store/storetest"
)

// What is no id must not be taken for id 0, least of all to close it.
func TestARecordIsNamedByItsID(t *testing.T) {
	s, _ := storetest.Mini(t)
	c := newClientOn(t, s)
	var g api.Gateway
	c.do("POST", base, `{"name":"etl"}`, 201, &g)
	now := time.Now().UTC()
	r := &store.Record{ID: "livy-1", GatewayID: g.ID, Kind: "session", State: "success", Created: now, Updated: now, Ended: now}
	if err := s.SaveRecords(t.Context(), g.ID, r); err != nil {
		t.Fatal(err)
	}
	records := base + "/etl/records/"
	c.do("GET", records+"session:0", "", 200, nil)
	for _, ref := range []string{"session:", "session:x", "session:0x0", "session:99999999999999999999", "batch:0", ":0", "livy-2"} {
		c.do("GET", records+ref, "", 404, nil)
		c.do("DELETE", records+ref, "", 404, nil)
	}
}
