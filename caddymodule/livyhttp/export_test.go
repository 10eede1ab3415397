package livyhttp

import (
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/control"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/livy"
)

// SetReadTimeout sets the limit of reads for a test.
func SetReadTimeout(t testing.TB, d time.Duration) {
	before := readTimeout
	readTimeout = d
	t.Cleanup(func() { readTimeout = before })
}

// SetConnectTimeout sets the limit of the request by which a warm session is examined, for a test.
func SetConnectTimeout(t testing.TB, d time.Duration) {
	before := connectTimeout
	connectTimeout = d
	t.Cleanup(func() { connectTimeout = before })
}

// TriesWarm reports whether a create that was given to another server looks for a warm session on
// the primary one.
func TriesWarm(primary, chosen *gateway.Gateway) (tries bool) {
	defer func() { tries = recover() != nil }() // nothing can be looked up without a core
	c := &call{primary: &control.Entry{Gateway: primary}, entry: &control.Entry{Gateway: chosen}}
	c.req.Route = &livy.Route{Kind: livy.KindSession}
	_, _ = new(Record).handOver(nil, nil, c)
	return false
}
