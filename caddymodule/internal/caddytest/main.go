package caddytest

import (
	"fmt"
	"os"
	"testing"
)

// Main runs a package's tests and keeps what Caddy writes down out of the data of whoever
// runs them.
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
