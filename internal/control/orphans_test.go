package control

import (
	"context"
	"errors"
	"testing"

	"github.com/livygateway/livygateway/internal/store/storetest"
	"github.com/livygateway/livygateway/upstream"
)

// stubborn is a runtime with servers of deleted gateways, of which one cannot be stopped.
type stubborn struct {
	*fakeRuntime
	servers []upstream.Instance
	stopped []string
}

func (r *stubborn) List(context.Context) ([]upstream.Instance, error) { return r.servers, nil }

func (r *stubborn) Stop(_ context.Context, id string, _ int64) error {
	if id == "lc-stuck" {
		return errors.New("it does not end")
	}
	r.stopped = append(r.stopped, id)
	return nil
}

// TestOneStuckServerKeepsNoOthers: what cannot be stopped is reported, and the rest is
// stopped all the same.
func TestOneStuckServerKeepsNoOthers(t *testing.T) {
	s, _ := storetest.Mini(t)
	rt := &stubborn{fakeRuntime: newFakeRuntime(t)}
	m := testManager(t, s, rt)
	m.Close(false) // reaping is called here
	ours, err := m.installation(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	for _, id := range []string{"lc-a", "lc-stuck", "lc-b"} {
		rt.servers = append(rt.servers, upstream.Instance{GatewayID: id, ID: id, Installation: ours})
	}
	if err := m.reapOrphans(t.Context()); err == nil {
		t.Error("no error")
	}
	if len(rt.stopped) != 2 || rt.stopped[1] != "lc-b" {
		t.Errorf("stopped %v", rt.stopped)
	}
}
