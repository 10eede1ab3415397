package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/livygateway/livygateway/upstream"
)

// CPUFlags returns this machine's CPU flags; see upstream.Prober.
func (r *Runtime) CPUFlags(context.Context, string) ([]string, error) {
	text, err := os.ReadFile("/proc/cpuinfo")
	if err != nil {
		return nil, fmt.Errorf("reading the CPU flags: %w", err)
	}
	return upstream.ParseCPUFlags(string(text)), nil
}

// HasFile reports whether a path exists on this machine.
func (r *Runtime) HasFile(_ context.Context, _, path string) (bool, error) {
	_, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// Interface guard
var _ upstream.Prober = (*Runtime)(nil)
