package upstream

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/livygateway/livygateway/gateway"
)

// fakeRuntime answers Find and Logs; it has no other methods.
type fakeRuntime struct {
	Runtime
	find func() (Instance, bool, error)
}

func (f fakeRuntime) Find(context.Context, string) (Instance, bool, error) { return f.find() }

func (f fakeRuntime) Logs(_ context.Context, _ string, lines int) ([]string, error) {
	return LastLines("one\ntwo\nthree", lines), nil
}

var running = func() (Instance, bool, error) { return Instance{GatewayID: "lc-1", Running: true}, true, nil }

func TestWaitReady(t *testing.T) {
	refused := errors.New("connection refused")
	tests := []struct {
		name    string
		find    func() (Instance, bool, error)
		after   time.Duration // when the server begins to answer; 0 is never
		version string
		want    string // version wanted
		kind    gateway.Kind
		err     string // "" for success
		took    time.Duration
	}{
		{"answers after 3 s", running, 3 * time.Second, "0.8.0-incubating", "0.8.0", 0, "", 3 * time.Second},
		{"any version", running, time.Second, "0.9.0", "", 0, "", time.Second},
		{"asks for credentials", running, time.Second, "", "0.8.0", 0, "", time.Second},
		{"another version", running, time.Second, "0.7.1-incubating", "0.8.0", gateway.KindConflict, "the server at 127.0.0.1:1 is Livy 0.7.1-incubating, not 0.8.0", time.Second},
		{"a longer number is another version", running, time.Second, "0.8.01", "0.8.0", gateway.KindConflict, "the server at 127.0.0.1:1 is Livy 0.8.01, not 0.8.0", time.Second},
		{"never answers", running, 0, "", "", gateway.KindUnavailable, "Livy did not answer in time (connection refused); its last log lines:\ntwo\nthree", 30 * time.Second},
		{
			"dies",
			func() (Instance, bool, error) { return Instance{Exit: "exit code 137 (out of memory)"}, true, nil },
			0, "", "", gateway.KindUnavailable,
			"Livy ended while it started: exit code 137 (out of memory); its last log lines:\ntwo\nthree", 0,
		},
		{
			"removed",
			func() (Instance, bool, error) { return Instance{}, false, nil },
			0, "", "", gateway.KindUnavailable,
			"Livy was removed while it started; its last log lines:\ntwo\nthree", 0,
		},
		{
			"the runtime stumbles",
			func() (Instance, bool, error) { return Instance{}, false, errors.New("engine away") },
			2 * time.Second, "0.8.0", "0.8.0", 0, "", 2 * time.Second,
		},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
				defer cancel()
				began := time.Now()
				w := Waiter{Interval: time.Second, LogLines: 2, Version: func(_ context.Context, address string) (string, error) {
					if address != "127.0.0.1:1" {
						t.Errorf("asked %s", address)
					}
					if tt.after == 0 || time.Since(began) < tt.after {
						return "", refused
					}
					return tt.version, nil
				}}
				version, err := w.WaitReady(ctx, fakeRuntime{find: tt.find}, Instance{GatewayID: "lc-1", Address: "127.0.0.1:1"}, tt.want)
				if took := time.Since(began); took != tt.took {
					t.Errorf("took %v, want %v", took, tt.took)
				}
				if tt.err == "" {
					if err != nil || version != tt.version {
						t.Errorf("WaitReady = %q, %v; want %q", version, err, tt.version)
					}
					return
				}
				if gateway.KindOf(err) != tt.kind || err.Error() != tt.err {
					t.Errorf("error %v\nwant  %s", err, tt.err)
				}
			})
		})
	}
}

func TestGetVersion(t *testing.T) {
	tests := []struct {
		name, body string
		status     int
		want       string
		fails      bool
	}{
		{"answers", `{"version":"0.8.0-incubating","user":"x"}`, 200, "0.8.0-incubating", false},
		{"asks for credentials", "", 401, "", false},
		{"is not Livy", "<html>", 200, "", true},
		{"has no version", "{}", 200, "", true},
		{"fails", `{"version":"0.8.0"}`, 500, "", true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
				if r.URL.Path != "/version" {
					t.Errorf("asked %s", r.URL)
				}
				w.WriteHeader(tt.status)
				_, _ = io.WriteString(w, tt.body)
			}))
			defer s.Close()
			got, err := GetVersion(t.Context(), strings.TrimPrefix(s.URL, "http://"))
			if got != tt.want || (err != nil) != tt.fails {
				t.Errorf("GetVersion = %q, %v", got, err)
			}
		})
	}
}
