package upstreamtest

import (
	"testing"

	"github.com/livygateway/livygateway/internal/eventually"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/upstream"
)

// metered checks a runtime's Meter.
func metered(t *testing.T, h Harness) {
	rt := h.New(t)
	meter := rt.(upstream.Meter)
	inst := start(t, h, rt, h.launch(t, gatewayID))
	var used upstream.Usage
	eventually.True(t, h.Patience, "the server has used CPU time", func() bool {
		answers(inst.Address)
		var err error
		used, err = meter.Usage(t.Context(), gatewayID)
		if gateway.KindOf(err) == gateway.KindUnavailable {
			return false // nothing was measured yet
		}
		if err != nil {
			t.Fatalf("Usage: %v", err)
		}
		return used.CPUSeconds > 0
	})
	if used.Instance != inst.ID || used.MemoryBytes < 100<<10 || used.MemoryBytes > 8<<30 || used.CPUSeconds > 600 {
		t.Errorf("Usage of %s = %+v", inst.ID, used)
	}
	if err := rt.Stop(t.Context(), gatewayID, upstream.AnyEpoch); err != nil {
		t.Fatalf("Stop: %v", err)
	}
	if used, err := meter.Usage(t.Context(), gatewayID); gateway.KindOf(err) != gateway.KindNotFound {
		t.Errorf("Usage after Stop = %+v, %v", used, err)
	}
}
