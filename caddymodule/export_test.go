package caddymodule

import (
	"testing"

	"github.com/livygateway/livygateway/internal/doctor"
)

// ExamineInForce returns the doctor's report on a configuration in force.
func ExamineInForce(t *testing.T, text []byte) []doctor.Result {
	t.Helper()
	config, err := readConfig(text)
	if err != nil {
		t.Fatal(err)
	}
	return (&patient{config: config, running: true}).examineConfig()
}
