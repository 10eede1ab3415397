package caddytest

import (
	"fmt"
	"os"
	"testing"
)

// Main runs a package's tests with a temporary data directory for Caddy.
func Main(m *testing.M) {
	dir, err := os.MkdirTemp("", "caddymodule")
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Setenv("XDG_DATA_HOME", dir)
	code := m.Run()
	_ = os.RemoveAll(dir)
	os.Exit(code)
}
