package docker

import (
	"path/filepath"
	"strings"
	"testing"

	"go.uber.org/zap/zaptest"

	"github.com/livygateway/livygateway/internal/doctor"
	"github.com/livygateway/livygateway/internal/gateway"
)

func TestExamine(t *testing.T) {
	needDocker(t)
	r, err := New(Options{Network: "livygw-doctor-none"}, zaptest.NewLogger(t))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got := make(map[string]doctor.Result)
	for _, res := range r.Examine(t.Context(), &gateway.Catalog{
		Engines:  []gateway.Engine{{Name: "ours", Image: "livygateway/livy:none", Spark: "3.5.8"}, {Name: "theirs", Image: "example.org/livy:none"}},
		Networks: []gateway.Network{{Name: "lake", DockerNetwork: "bridge"}},
	}) {
		got[res.Check] = res
	}
	for check, want := range map[string]struct {
		status doctor.Status
		mend   string
	}{
		"docker":                            {doctor.OK, ""},
		"engine ours":                       {doctor.Fail, "scripts/build-engine-image --livy 0.8.0 --spark 3.5.8"},
		"engine theirs":                     {doctor.Fail, "docker pull example.org/livy:none"},
		"docker network bridge":             {doctor.OK, ""},
		"docker network livygw-doctor-none": {doctor.Fail, "docker network create"},
	} {
		if res := got[check]; res.Status != want.status || !strings.Contains(res.Mend, want.mend) {
			t.Errorf("%s: %+v, want %+v", check, res, want)
		}
	}
}

func TestExamineAway(t *testing.T) {
	r, err := New(Options{Host: "unix://" + filepath.Join(t.TempDir(), "none.sock")}, zaptest.NewLogger(t))
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	got := r.Examine(t.Context(), &gateway.Catalog{})
	if len(got) != 1 || got[0].Status != doctor.Fail || !strings.Contains(got[0].Mend, "start Docker") {
		t.Errorf("%+v", got)
	}
}
