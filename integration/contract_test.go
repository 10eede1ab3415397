package integration

import (
	"testing"

	"github.com/livygateway/livygateway/internal/livy/livytest"
	"github.com/livygateway/livygateway/internal/require"
)

// TestLivyKeepsTheContract holds real servers to what the gateway, and the
// double in livytest, take for granted.
func TestLivyKeepsTheContract(t *testing.T) {
	t.Run("without Spark", func(t *testing.T) {
		l := startRecordingLivy(t, "livy.impersonation.enabled = false")
		livytest.Contract(t, "http://"+l.addr, livytest.Options{})
	})
	t.Run("with Spark", func(t *testing.T) {
		e := preparedEngine()
		require.Need(t, require.Livy080, e != nil && e.Interactive, "no engine that runs sessions is prepared (make engine)")
		l := startLivy(t, e.LivyHome, e.SparkHome)
		livytest.Contract(t, "http://"+l.addr, livytest.Options{Interactive: true})
	})
}
