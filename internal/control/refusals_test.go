package control_test

import (
	"context"
	"fmt"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/control"
	"github.com/livygateway/livygateway/internal/store"
)

// TestRefusalsAreBounded floods the audit with refusals for an hour.
func TestRefusalsAreBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		entries := make(chan store.AuditEntry, 1000)
		r := control.NewRefusals(func(_ context.Context, e store.AuditEntry) error {
			entries <- e
			return nil
		}, zap.NewNop())
		take := func() (written []store.AuditEntry) {
			synctest.Wait()
			for len(entries) > 0 {
				written = append(written, <-entries)
			}
			return written
		}
		ctx, cancel := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { r.Run(ctx); close(done) }()

		const same = 10
		for range same {
			r.Note(store.AuditEntry{Action: "request", Actor: "lctk-a", Address: "10.0.0.1", Detail: "revoked"})
		}
		written := take()
		if len(written) != 1 || written[0].Outcome != store.OutcomeRefused || written[0].Count != 0 {
			t.Errorf("the first of ten equal refusals is written as %+v", written)
		}
		time.Sleep(time.Minute + time.Second)
		written = take()
		if len(written) != 1 || written[0].Count != same-1 || written[0].Actor != "lctk-a" {
			t.Errorf("the others are written as %+v", written)
		}

		const minutes, each = 60, 1000
		for minute := range minutes {
			for i := range each {
				r.Note(store.AuditEntry{Action: "request", Address: fmt.Sprintf("10.%d.%d.%d", minute, i/250, i%250), Detail: "unknown"})
			}
			time.Sleep(time.Minute)
		}
		written = take()
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
