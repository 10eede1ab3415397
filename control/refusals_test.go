package control_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/control"
	"github.com/livygateway/livygateway/store"
)

// TestRefusalsAreBounded floods the audit with refusals for an hour.
func TestRefusalsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var written []store.Entry
		r := control.NewRefusals(func(_ context.Context, e store.Entry) error {
			written = append(written, e)
			return nil
		}, zap.NewNop())
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { r.Run(ctx); close(done) }()

		const same = 10
		for range same {
			r.Note(store.Entry{Action: "request", Actor: "lctk-a", Address: "10.0.0.1", Detail: "revoked"})
		}
		synctest.Wait()
		if len(written) != 1 || written[0].Outcome != store.OutcomeRefused || written[0].Count != 0 {
			t.Errorf("the first of ten equal refusals is written as %+v", written)
		}
		time.Sleep(time.Minute + time.Second)
		synctest.Wait()
		if len(written) != 2 || written[1].Count != same-1 || written[1].Actor != "lctk-a" {
			t.Errorf("the others are written as %+v", written[1:])
		}

		written = nil
		const minutes, each = 60, 1000
		for minute := range minutes {
			for i := range each {
				r.Note(store.Entry{Action: "request", Address: fmt.Sprintf("10.%d.%d.%d", minute, i/250, i%250), Detail: "unknown"})
			}
			time.Sleep(time.Minute)
		}
		synctest.Wait()
		var counted int64
		for _, e := range written {
			counted += max(1, e.Count)
		}
		if len(written) > 30+6*minutes {
			t.Errorf("%d refusals wrote %d entries", minutes*each, len(written))
		}
		if counted != minutes*each {
			t.Errorf("the entries tell of %d refusals, not of %d", counted, minutes*each)
		}
		cancel()
		<-done
	})
}
