package require

import (
	"fmt"
	"runtime"
	"testing"
)

// recorder is a testing.TB that notes how the test was ended.
type recorder struct {
	testing.TB
	end string
}

func (r *recorder) Helper() {}

func (r *recorder) Fatalf(format string, args ...any) {
	r.end = "fatal: " + fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func (r *recorder) Skipf(format string, args ...any) {
	r.end = "skip: " + fmt.Sprintf(format, args...)
	runtime.Goexit()
}

func TestNeed(t *testing.T) {
	tests := []struct {
		name      string
		require   string
		available bool
		want      string
	}{
		{"there", "docker", true, "ran on"},
		{"missing", "", false, "skip: needs docker: none answers"},
		{"missing, another required", "redis,dockers", false, "skip: needs docker: none answers"},
		{"missing but required", "redis, docker", false, "fatal: needs docker (REQUIRE names it): none answers"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Setenv("REQUIRE", tt.require)
			r := &recorder{}
			done := make(chan struct{})
			go func() {
				defer close(done)
				Need(r, Docker, tt.available, "none answers")
				r.end = "ran on"
			}()
			<-done
			if r.end != tt.want {
				t.Errorf("got %q, want %q", r.end, tt.want)
			}
		})
	}
}
