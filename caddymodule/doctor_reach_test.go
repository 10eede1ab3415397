package caddymodule

import (
	"encoding/json"
	"io"
	"net"
	"net/http"
	"os"
	"os/user"
	"path/filepath"
	"strings"
	"testing"

	"github.com/caddyserver/caddy/v2"
	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/livygateway/livygateway/caddymodule/internal/core"
	"github.com/livygateway/livygateway/internal/doctor"
)

// other is a user of this machine, neither root nor the user that runs the tests.
func otherUser(t *testing.T) string {
	t.Helper()
	u, err := user.Lookup("nobody")
	if err != nil {
		t.Skip("needs the user nobody")
	}
	return u.Username
}

func TestAdminListener(t *testing.T) {
	for listen, want := range map[string]adminReach{
		"": everybodyReaches, "localhost:2019": everybodyReaches, ":2019": everybodyReaches, "nonsense:x:y": everybodyReaches,
		"unix//run/a.sock": ourUserReaches, "unix//run/a.sock|0600": ourUserReaches, "unix//run/a.sock|0644": ourUserReaches,
		"unix//run/a.sock|0660": everybodyReaches, "unix//run/a.sock|0222": everybodyReaches, "unix//run/a.sock|rw": everybodyReaches,
	} {
		if got := adminListener(listen, false); got != want {
			t.Errorf("%q: %v, want %v", listen, got, want)
		}
	}
	if got := adminListener("", true); got != nobodyReaches {
		t.Errorf("disabled: %v", got)
	}
}

func TestWhatJobsReach(t *testing.T) {
	other := &ProcessRuntime{User: otherUser(t)}
	same, pool := &ProcessRuntime{}, &ProcessRuntime{Users: []string{"livygw[1-2]"}}
	for _, tt := range []struct {
		name    string
		reach   adminReach
		runtime *ProcessRuntime
		root    bool
		want    doctor.Status
	}{
		{"root, TCP, no user", everybodyReaches, same, true, doctor.Fail},
		{"root, TCP, root named", everybodyReaches, &ProcessRuntime{User: "root"}, true, doctor.Fail},
		{"root, TCP, a user: what the endpoint can do is root's", everybodyReaches, other, true, doctor.Fail},
		{"root, TCP, users", everybodyReaches, pool, true, doctor.Fail},
		{"TCP, no root", everybodyReaches, same, false, doctor.Warn},
		{"root, socket, no user", ourUserReaches, same, true, doctor.Warn},
		{"socket, no root", ourUserReaches, same, false, doctor.Warn},
		{"root, socket, a user", ourUserReaches, other, true, doctor.OK},
		{"root, socket, users", ourUserReaches, pool, true, doctor.OK},
		{"off", nobodyReaches, same, true, doctor.OK},
	} {
		got := examineAdminReach(tt.reach, tt.runtime, tt.root)
		if got.Status != tt.want || (got.Mend == "") != (tt.want == doctor.OK) {
			t.Errorf("%s: %+v, want %s", tt.name, got, tt.want)
		}
	}
	open := filepath.Join(t.TempDir(), "redis.sock")
	if err := os.WriteFile(open, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(open, 0o777); err != nil {
		t.Fatal(err)
	}
	for _, tt := range []struct {
		redis   Redis
		runtime *ProcessRuntime
		want    doctor.Status
	}{
		{Redis{URL: "redis://127.0.0.1:6379/0"}, other, doctor.Warn},
		{Redis{}, other, doctor.Warn},
		{Redis{Embedded: true}, other, doctor.Warn},
		{Redis{URL: "redis://:s3cr3t@127.0.0.1:6379/0"}, other, doctor.OK},
		{Redis{URL: "redis://:s3cr3t@127.0.0.1:6379/0"}, same, doctor.Warn},
		{Redis{URL: "unix:///run/redis.sock"}, pool, doctor.OK},
		{Redis{URL: "unix:///run/redis.sock"}, same, doctor.Warn},
		{Redis{URL: "unix://" + open}, pool, doctor.Warn},
		{Redis{URL: "http://:s3cr3t@x"}, pool, doctor.Fail},
	} {
		got := examineRedisReach(&tt.redis, tt.runtime)
		if got.Status != tt.want || strings.Contains(got.Summary+got.Mend, "s3cr3t") {
			t.Errorf("%+v, %+v: %+v, want %s", tt.redis, *tt.runtime, got, tt.want)
		}
	}
}

// The warning when a configuration is put into force.
func TestWarningOfReach(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: the warning is for it")
	}
	for _, tt := range []struct {
		name  string
		admin adminReach
		with  Runtime
		want  int
	}{
		{"all three", everybodyReaches, &ProcessRuntime{}, 1},
		{"a user", everybodyReaches, &ProcessRuntime{User: otherUser(t)}, 1},
		{"a socket", ourUserReaches, &ProcessRuntime{}, 0},
		{"another runtime", everybodyReaches, &DockerRuntime{}, 0},
	} {
		logged, logs := observer.New(zap.WarnLevel)
		a := &App{admin: tt.admin, runtime: tt.with, core: &core.Core{Log: zap.New(logged)}}
		a.warnOfReach()
		if logs.Len() != tt.want {
			t.Errorf("%s: %v", tt.name, logs.All())
		}
	}
}

// The admin endpoint is found in a configuration that Caddy has provisioned.
func TestAdminOfAContext(t *testing.T) {
	for text, want := range map[string]adminReach{
		`{}`: everybodyReaches,
		`{"admin": {"listen": "localhost:2999"}}`:        everybodyReaches,
		`{"admin": {"listen": "unix//run/a.sock|0600"}}`: ourUserReaches,
		`{"admin": {"disabled": true}}`:                  nobodyReaches,
		`{"admin": {"listen": "unix//run/a.sock|0666"}}`: everybodyReaches,
		`{"admin": {"config": {"persist": false}}}`:      everybodyReaches,
	} {
		var config caddy.Config
		if err := json.Unmarshal([]byte(text), &config); err != nil {
			t.Fatal(err)
		}
		ctx, err := caddy.ProvisionContext(&config)
		if err != nil {
			t.Fatal(err)
		}
		if got := adminOf(ctx); got != want {
			t.Errorf("%s: %v, want %v", text, got, want)
		}
	}
}

// The command line connects to an admin endpoint on a Unix socket, whose permission bits are for
// listeners only.
func TestDialAdminOnASocket(t *testing.T) {
	dir, err := os.MkdirTemp("", "livygw") // t.TempDir is too long for a socket
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	socket := filepath.Join(dir, "admin.sock")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	server := &http.Server{Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { _, _ = io.WriteString(w, r.URL.Path) })}
	go func() { _ = server.Serve(l) }()
	t.Cleanup(func() { _ = server.Close() })
	usual := caddy.DefaultAdminListen
	t.Cleanup(func() { caddy.DefaultAdminListen = usual })
	caddy.DefaultAdminListen = "unix/" + socket // as CADDY_ADMIN sets it
	for _, address := range []string{"unix/" + socket, "unix/" + socket + "|0600", ""} {
		c, base, err := dialAdmin(address)
		if err != nil {
			t.Errorf("%q: %v", address, err)
			continue
		}
		res, err := c.Get(base + "/v1/workspaces")
		if err != nil {
			t.Errorf("%q: %v", address, err)
			continue
		}
		text, _ := io.ReadAll(res.Body)
		_ = res.Body.Close()
		if string(text) != "/livy/v1/workspaces" {
			t.Errorf("%q: asked for %s", address, text)
		}
	}
}
