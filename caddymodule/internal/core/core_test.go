package core

import (
	"testing"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/store"
	"github.com/livygateway/livygateway/upstream"
	"github.com/livygateway/livygateway/upstream/static"
)

// closing is a runtime that counts how often it is closed.
type closing struct {
	upstream.Runtime
	closed int
}

func (c *closing) open(log *zap.Logger) (upstream.Runtime, error) {
	var err error
	c.Runtime, err = static.New(log)
	return c, err
}

func (c *closing) Close() error { c.closed++; return nil }

func TestACoreClosesItsRuntime(t *testing.T) {
	var r closing
	if _, err := New(Options{Redis: store.Options{URL: "http://127.0.0.1:1"}, OpenRuntime: r.open}); err == nil || r.closed != 1 {
		t.Errorf("error %v, closed %d times; want one that names the URL, and once", err, r.closed)
	}
	r.closed = 0
	c, err := New(Options{Redis: store.Options{URL: "redis://127.0.0.1:1/0"}, OpenRuntime: r.open})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Destruct(); err != nil || r.closed != 1 {
		t.Errorf("Destruct: %v, and the runtime was closed %d times", err, r.closed)
	}
}
