package sessions_test

import (
	"crypto/rand"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
	"github.com/livygateway/livygateway/internal/sessions"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// TestFullRedis: while Redis has no memory to spare, creates are refused before anything is sent,
// records can be read, and a create that was on its way is not forgotten.
func TestFullRedis(t *testing.T) {
	t.Parallel()
	s, srv := storetest.Real(t)
	l := sessions.New(s, zap.NewNop(), time.Now, rand.Reader)
	g := &gateway.Gateway{ID: "lc-1", Status: gateway.Status{Epoch: 1}}
	begin := func() (*sessions.Create, string, error) {
		id, err := l.NewID()
		if err != nil {
			t.Fatal(err)
		}
		c, err := l.Begin(t.Context(), sessions.Intent{ID: id, Gateway: g, Kind: livy.KindBatch, Name: id, TokenID: "lctk-1"})
		return c, id, err
	}
	open, id, err := begin()
	if err != nil {
		t.Fatal(err)
	}
	srv.MustDo("CONFIG", "SET", "maxmemory", "1")
	if _, _, err := begin(); gateway.KindOf(err) != gateway.KindUnavailable {
		t.Errorf("a create while Redis is full: %v", err)
	}
	if r, err := s.RecordByID(t.Context(), g.ID, id); err != nil || r.ID != id {
		t.Errorf("the record reads as %+v, %v", r, err)
	}
	if err := open.Confirmed(t.Context(), g, 0, "running", "", sessions.KeptReply{}); err != nil && gateway.KindOf(err) != gateway.KindUnavailable {
		t.Errorf("confirming: %v", err)
	}
	srv.MustDo("CONFIG", "SET", "maxmemory", "0")
	if r, err := s.RecordByID(t.Context(), g.ID, id); err != nil || !r.Live() {
		t.Errorf("afterwards the record reads as %+v, %v", r, err)
	}
	if _, _, err := begin(); err != nil {
		t.Errorf("a create afterwards: %v", err)
	}
}
