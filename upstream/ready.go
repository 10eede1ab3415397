package upstream

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/livygateway/livygateway/internal/livy"
)

// Satisfies reports whether version is want or a variant of it, as
// "0.8.0-incubating" is of "0.8.0".
func Satisfies(version, want string) bool {
	return want == "" || version == want || strings.HasPrefix(version, want+"-")
}

// versionClient is the client of GetVersion, with a short timeout.
var versionClient = &http.Client{
	Timeout:   versionTimeout,
	Transport: &http.Transport{DisableKeepAlives: true},
}

// versionTimeout bounds a request for the version.
const versionTimeout = 5 * time.Second

// VersionOf returns the version of a Livy server that somebody else runs. It is "" if the server
// is up but requires a login, and none is configured.
func VersionOf(ctx context.Context, s *livy.Server) (string, error) {
	if s.Plain() {
		return GetVersion(ctx, s.Address())
	}
	ctx, cancel := context.WithTimeout(ctx, versionTimeout)
	defer cancel()
	v, err := (&livy.Client{Base: s.Address(), HTTP: s.Client()}).Version(ctx)
	if livy.IsRefused(err) && !s.LogsIn() {
		return "", nil
	}
	if err == nil && v.Version == "" {
		return "", fmt.Errorf("asking for Livy's version: %s answered no version", s.Address())
	}
	return v.Version, err
}

// GetVersion returns the version of the Livy server at address (host:port). It is "" if the
// server is up but requires a login.
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
