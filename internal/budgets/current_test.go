package budgets_test

import (
	"context"
	"errors"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/budgets"
	"github.com/livygateway/livygateway/internal/gateway"
)

// TestCurrentSharesOneLook checks that callers of Current share a look that takes long, and that
// each leaves when it wants to.
func TestCurrentSharesOneLook(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var looks atomic.Int32
		s := budgets.New(budgets.Options{Logger: zap.NewNop(), Gateways: func() ([]*gateway.Gateway, error) {
			looks.Add(1)
			time.Sleep(10 * time.Second)
			return nil, errors.New("Redis is silent")
		}})
		begun, results := time.Now(), make(chan error)
		for _, patience := range []time.Duration{time.Second, 3 * time.Second, time.Minute, time.Minute} {
			go func() {
				ctx, cancel := context.WithTimeout(t.Context(), patience)
				defer cancel()
				_, err := s.Current(ctx)
				results <- err
			}()
			synctest.Wait()
		}
		for n, after := range []time.Duration{time.Second, 3 * time.Second, 10 * time.Second, 10 * time.Second} {
			err := <-results
			if errors.Is(err, context.DeadlineExceeded) != (n < 2) || time.Since(begun) != after {
				t.Errorf("caller %d left after %s: %v", n, time.Since(begun), err)
			}
		}
		if n := looks.Load(); n != 1 {
			t.Errorf("%d looks", n)
		}
	})
}
