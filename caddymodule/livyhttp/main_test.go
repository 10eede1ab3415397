package livyhttp_test

import (
	"testing"

	"github.com/livygateway/livygateway/caddymodule/internal/caddytest"
)

func TestMain(m *testing.M) { caddytest.Main(m) }

// Headers that clients see and send.
const (
	headerIgnored = "X-Livy-Gateway-Ignored"
	headerForced  = "X-Livy-Gateway-Forced"
	headerRepeat  = "Idempotency-Key"
)
