package core

import (
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/livy"
)

// BenchmarkCountRequest is what metrics add to a request.
func BenchmarkCountRequest(b *testing.B) {
	route, _ := livy.RouteByName("session.state")
	b.ReportAllocs()
	for b.Loop() {
		began := time.Now()
		CountRequest("default/etl", route, 200, nil, RequestTimes{Began: began, Livy: time.Millisecond})
	}
}
