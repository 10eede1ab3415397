package upstream

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/livygateway/livygateway/gateway"
)

// Waiter waits until a Livy server answers. The zero value is ready to use.
type Waiter struct {
	// Interval between questions; default 250 ms.
	Interval time.Duration
	// Version asks the server at host:port for its version; default GetVersion.
	Version func(ctx context.Context, address string) (string, error)
	// LogLines is how many of the last log lines an error carries; default 20.
	LogLines int
}

// WaitReady asks inst for its version until it answers, and returns it. want is
// the version that it must have, e.g. "0.8.0" (which "0.8.0-incubating"
// satisfies); empty accepts any, and so does a server that asks for credentials
// (livy.server.auth.type), whose version stays "". The error is of KindUnavailable when the server
// died or had not answered when ctx ended, with the last lines of its log, and
// of KindConflict when it answered with another version.
func (w Waiter) WaitReady(ctx context.Context, rt Runtime, inst Instance, want string) (string, error) {
	if w.Interval <= 0 {
		w.Interval = 250 * time.Millisecond
	}
	if w.Version == nil {
		w.Version = GetVersion
	}
	if w.LogLines <= 0 {
		w.LogLines = 20
	}
	ticker := time.NewTicker(w.Interval)
	defer ticker.Stop()
	for {
		version, err := w.Version(ctx, inst.Address)
		if err == nil {
			if version != "" && !Satisfies(version, want) {
				return version, gateway.Errorf(gateway.KindConflict, "the server at %s is Livy %s, not %s", inst.Address, version, want)
			}
			return version, nil
		}
		now, ok, findErr := rt.Find(ctx, inst.GatewayID)
		switch {
		case findErr != nil: // the runtime's trouble is not the server's: ask again
		case !ok:
			return "", w.failure(rt, inst, "Livy was removed while it started")
		case !now.Running:
			return "", w.failure(rt, inst, "Livy ended while it started: "+now.Exit)
		}
		select {
		case <-ctx.Done():
			return "", w.failure(rt, inst, fmt.Sprintf("Livy did not answer in time (%v)", err))
		case <-ticker.C:
		}
	}
}

// failure adds the last log lines, read even though the caller's time is up.
func (w Waiter) failure(rt Runtime, inst Instance, what string) error {
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	lines, err := rt.Logs(ctx, inst.GatewayID, w.LogLines)
	if err != nil || len(lines) == 0 {
		return gateway.Errorf(gateway.KindUnavailable, "%s; it wrote no log", what)
	}
	return gateway.Errorf(gateway.KindUnavailable, "%s; its last log lines:\n%s", what, strings.Join(lines, "\n"))
}

// Satisfies reports whether version is want or a variant of it, as
// "0.8.0-incubating" is of "0.8.0".
func Satisfies(version, want string) bool {
	return want == "" || version == want || strings.HasPrefix(version, want+"-")
}

// versionClient reaches local servers and never waits long for one.
var versionClient = &http.Client{
	Timeout:   5 * time.Second,
	Transport: &http.Transport{DisableKeepAlives: true},
}

// GetVersion asks the Livy server at address (host:port) for its version. It is
// "" for a server that is up but tells it only to users that it knows.
func GetVersion(ctx context.Context, address string) (string, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address+"/version", nil)
	if err != nil {
		return "", fmt.Errorf("asking for Livy's version: %w", err)
	}
	resp, err := versionClient.Do(req)
	if err != nil {
		return "", fmt.Errorf("asking for Livy's version: %w", err)
	}
	defer resp.Body.Close()
	if resp.StatusCode == http.StatusUnauthorized {
		return "", nil
	}
	var body struct {
		Version string `json:"version"`
	}
	err = json.NewDecoder(io.LimitReader(resp.Body, 64<<10)).Decode(&body)
	if resp.StatusCode != http.StatusOK || err != nil || body.Version == "" {
		return "", fmt.Errorf("asking for Livy's version: %s answered %s and no version", address, resp.Status)
	}
	return body.Version, nil
}
