package caddymodule_test

import (
	"testing"

	"github.com/livygateway/livygateway/caddymodule/internal/caddytest"
)

func TestMain(m *testing.M) { caddytest.Main(m) }
