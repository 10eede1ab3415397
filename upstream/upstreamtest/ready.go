package upstreamtest

import (
	"context"
	"strings"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/upstream"
)

// WaitReady asks inst for its version until it answers, and returns it. The error
// is of KindUnavailable when the server ended or had not answered when ctx ended,
// with the last lines of its log.
func WaitReady(ctx context.Context, rt upstream.Runtime, inst upstream.Instance) (string, error) {
	for {
		version, err := upstream.GetVersion(ctx, inst.Address)
		if err == nil {
			return version, nil
		}
		now, ok, findErr := rt.Find(ctx, inst.ServerID())
		if findErr == nil && (!ok || !now.Running) {
			return "", failure(rt, inst, "Livy ended while it started: "+now.Exit)
		}
		select {
		case <-ctx.Done():
			return "", failure(rt, inst, "Livy did not answer in time: "+err.Error())
		case <-time.After(20 * time.Millisecond):
		}
	}
}

// failure adds the last log lines, read even though the caller's time is up.
func failure(rt upstream.Runtime, inst upstream.Instance, what string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	lines, err := rt.Logs(ctx, inst.ServerID(), 20)
	if err != nil || len(lines) == 0 {
		return gateway.Errorf(gateway.KindUnavailable, "%s; it wrote no log", what)
	}
	return gateway.Errorf(gateway.KindUnavailable, "%s; its last log lines:\n%s", what, strings.Join(lines, "\n"))
}
