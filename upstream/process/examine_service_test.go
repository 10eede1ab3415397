package process

import (
	"context"
	"errors"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/livygateway/livygateway/internal/doctor"
)

func TestJudgeService(t *testing.T) {
	const unit, own = "/system.slice/caddy.service", "/livygateway"
	for name, tt := range map[string]struct {
		s             service
		mode          string // what systemd says; empty: it cannot be asked
		threads, kill doctor.Status
		says          string
	}{
		"no service":              {service{threads: unix.RLIM_INFINITY}, "", doctor.OK, doctor.OK, "no service of systemd"},
		"512 threads":             {service{threads: 512}, "", doctor.Warn, doctor.OK, "at most 512 for each user"},
		"512 threads, as root":    {service{threads: 512, exempt: true}, "", doctor.OK, doctor.OK, "no limit"},
		"many":                    {service{threads: 63000}, "", doctor.OK, doctor.OK, "at most 63000"},
		"bounded cgroup":          {service{threads: 63000, pids: []string{"max", "1024", "max"}}, "", doctor.Warn, doctor.OK, "at most 1024 in the cgroup"},
		"a cgroup of their own":   {service{threads: 63000, cgroup: unit, servers: own}, "", doctor.OK, doctor.OK, "does not end with caddy.service"},
		"Caddy's packaged unit":   {service{threads: 512, cgroup: unit, servers: unit}, "control-group", doctor.Warn, doctor.Warn, "KillMode=control-group"},
		"below the service's":     {service{threads: 63000, cgroup: unit + "/caddy", servers: unit + "/livygateway"}, "mixed", doctor.OK, doctor.Warn, "KillMode=mixed"},
		"KillMode=process":        {service{threads: 63000, cgroup: unit, servers: unit}, "process", doctor.OK, doctor.OK, "outlive"},
		"systemd cannot be asked": {service{threads: 63000, cgroup: unit, servers: unit}, "", doctor.OK, doctor.Warn, "cannot be asked"},
	} {
		tt.s.killMode = func(_ context.Context, unit string) (string, error) {
			if tt.mode == "" || unit != "caddy.service" {
				return "", errors.New("no systemctl")
			}
			return tt.mode, nil
		}
		got := tt.s.judge(t.Context())
		if got[0].Status != tt.threads || got[1].Status != tt.kill || !strings.Contains(got[0].Summary+got[1].Summary, tt.says) {
			t.Errorf("%s: %+v", name, got)
		}
		for _, r := range got {
			if (r.Status == doctor.OK) != (r.Mend == "") {
				t.Errorf("%s: %+v: how to mend it goes with what is wrong", name, r)
			}
		}
	}
}

func TestServiceCgroup(t *testing.T) {
	for text, want := range map[string]string{
		"0::/system.slice/caddy.service\n":                                     "/system.slice/caddy.service",
		"4:memory:/x\n1:name=systemd:/system.slice/caddy.service\n0::/\n":      "/system.slice/caddy.service",
		"9:name=systemd:/\n0::/user.slice/user-1.slice/user@1.service/app-x\n": "/user.slice/user-1.slice/user@1.service/app-x",
		"": "",
	} {
		if got := serviceCgroup(text); got != want {
			t.Errorf("%q: %q, want %q", text, got, want)
		}
	}
	if _, ok := unitOf("/user.slice/user-1.slice/user@1.service/app.slice/x.scope"); ok {
		t.Error("a login is taken for a service")
	}
}
