package control

import (
	"context"
	"sync"
	"testing"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/upstream"
)

// hanging is a runtime whose engine takes calls and answers none.
type hanging struct{ upstream.Runtime }

func (hanging) Ping(ctx context.Context) error {
	<-ctx.Done()
	return ctx.Err()
}

// However many load balancers ask while a part hangs: all wait for one look.
func TestManyAskForHealth(t *testing.T) {
	s, err := store.Open(store.Options{Addrs: []string{"127.0.0.1:1"}}, zap.NewNop())
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	m := &Manager{Options: Options{Store: s, Runtime: hanging{}, Now: time.Now}}
	began := time.Now()
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			if h := m.Health(t.Context()); h.Ready || len(h.Reasons) != 3 {
				t.Errorf("%+v", h)
			}
		})
	}
	all.Wait()
	if took := time.Since(began); took >= 2*healthTimeout {
		t.Errorf("the last answer came after %s", took)
	}
}
