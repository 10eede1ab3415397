package process

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.uber.org/zap"
	"go.uber.org/zap/zaptest/observer"

	"github.com/livygateway/livygateway/internal/doctor"
	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/upstream"
)

func TestReadMounts(t *testing.T) {
	const text = `25 30 0:23 / /proc rw,nosuid - proc none rw
31 23 0:28 / /sys/fs/cgroup rw,relatime - tmpfs none rw,mode=755
33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw,relatime shared:9 - cgroup none rw,cpu,cpuacct
36 31 0:33 / /sys/fs/cgroup/memory rw,relatime - cgroup none rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw,relatime - cgroup2 none rw
nonsense
`
	got := readMounts(strings.NewReader(text))
	if len(got) != 3 || got[0].dir != "/sys/fs/cgroup/cpu,cpuacct" || !slices.Contains(got[0].controllers, "cpu") ||
		got[1].dir != "/sys/fs/cgroup/memory" || !slices.Contains(got[1].controllers, "memory") || got[1].v2 || !got[2].v2 {
		t.Errorf("readMounts: %+v", got)
	}
}

// tree makes a directory with files in it, as a kernel would show a hierarchy.
func tree(t *testing.T, files map[string]string) string {
	t.Helper()
	root := t.TempDir()
	for name, content := range files {
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	return root
}

func content(t *testing.T, parts ...string) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join(parts...))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestCgroupVersion2(t *testing.T) {
	files := map[string]string{
		"cgroup.controllers": "cpuset cpu io memory pids", "cgroup.subtree_control": "cpu memory pids",
		"livygateway/cgroup.subtree_control": "cpu memory",
		"user/cgroup.subtree_control":        "cpu memory pids", "user/livygateway/cgroup.subtree_control": "cpu memory pids",
	}
	for _, name := range []string{"memory.max", "memory.swap.max", "cpu.max", "pids.max", "cgroup.procs"} {
		files["livygateway/one/"+name] = "max"
		files["user/livygateway/one/"+name] = "max"
	}
	for name, tt := range map[string]struct {
		root   bool
		named  string
		parent string
	}{
		"root":                     {true, "", "livygateway"},
		"beside our own":           {false, "", "user/livygateway"},
		"named":                    {true, "/user/livygateway", "user/livygateway"},
		"named by who is not root": {false, "/user/livygateway", "user/livygateway"},
	} {
		t.Run(name, func(t *testing.T) {
			root := tree(t, files)
			c, err := findCgroups(cgroupSystem{mounts: []cgroupMount{{dir: root, v2: true}}, own: "/user/shell.scope", root: tt.root}, tt.named)
			if err != nil {
				t.Fatal(err)
			}
			if want := filepath.Join(root, tt.parent); !c.v2 || c.memory != want {
				t.Fatalf("cgroups %+v, want below %s", c, want)
			}
			g, err := c.create("one", 4<<30, 3)
			if err != nil {
				t.Fatal(err)
			}
			if err := g.add(4711); err != nil {
				t.Fatal(err)
			}
			dir := filepath.Join(root, tt.parent, "one")
			for file, want := range map[string]string{
				"memory.max": "4294967296", "memory.swap.max": "0", "cpu.max": "300000 100000", "pids.max": "8192", "cgroup.procs": "4711",
			} {
				if got := content(t, dir, file); got != want {
					t.Errorf("%s is %q, want %q", file, got, want)
				}
			}
			if len(g) != 1 || g.pids()[0] != 4711 {
				t.Errorf("group %v with %v", g, g.pids())
			}
			// What is missing is handed down, and nothing else is touched.
			if got := content(t, root, "livygateway/cgroup.subtree_control"); tt.parent == "livygateway" && got != "+pids" {
				t.Errorf("controllers were not handed down: %q", got)
			}
			if got := content(t, root, "cgroup.subtree_control"); got != "cpu memory pids" {
				t.Errorf("the root's controllers were written to: %q", got)
			}
		})
	}
}

func TestCgroupVersion1(t *testing.T) {
	files := map[string]string{}
	for _, name := range []string{
		"memory/livygateway/one/memory.limit_in_bytes", "memory/livygateway/one/memory.memsw.limit_in_bytes", "memory/livygateway/one/cgroup.procs",
		"cpu/livygateway/one/cpu.cfs_quota_us", "cpu/livygateway/one/cpu.cfs_period_us", "cpu/livygateway/one/cgroup.procs",
	} {
		files[name] = "-1"
	}
	root := tree(t, files)
	s := cgroupSystem{root: true, mounts: []cgroupMount{
		{dir: filepath.Join(root, "unified"), v2: true}, // without the memory controller, as where version 1 has it
		{dir: filepath.Join(root, "cpu"), controllers: []string{"rw", "cpu"}},
		{dir: filepath.Join(root, "memory"), controllers: []string{"rw", "memory"}},
	}}
	c, err := findCgroups(s, "")
	if err != nil {
		t.Fatal(err)
	}
	g, err := c.create("one", 2<<30, 2)
	if err != nil || len(g) != 2 || g[0] != filepath.Join(root, "memory/livygateway/one") {
		t.Fatalf("group %v, %v", g, err)
	}
	if err := g.add(4711); err != nil {
		t.Fatal(err)
	}
	for file, want := range map[string]string{
		"memory/livygateway/one/memory.limit_in_bytes":       "2147483648",
		"memory/livygateway/one/memory.memsw.limit_in_bytes": "2147483648",
		"memory/livygateway/one/cgroup.procs":                "4711",
		"cpu/livygateway/one/cpu.cfs_quota_us":               "200000",
		"cpu/livygateway/one/cpu.cfs_period_us":              "100000",
		"cpu/livygateway/one/cgroup.procs":                   "4711",
	} {
		if got := content(t, root, file); got != want {
			t.Errorf("%s is %q, want %q", file, got, want)
		}
	}
}

func TestNoCgroups(t *testing.T) {
	v2 := tree(t, map[string]string{"cgroup.controllers": "memory", "cgroup.subtree_control": "memory"})
	none := tree(t, map[string]string{"cgroup.controllers": "cpu"})
	busy := tree(t, map[string]string{"cgroup.controllers": "memory", "cgroup.subtree_control/a": ""}) // cannot be written
	for name, s := range map[string]cgroupSystem{
		"nothing mounted":             {root: true},
		"no memory controller":        {root: true, mounts: []cgroupMount{{dir: none, v2: true}}},
		"not root, not in a cgroup":   {own: "/", mounts: []cgroupMount{{dir: v2, v2: true}}},
		"a root that holds processes": {root: true, mounts: []cgroupMount{{dir: busy, v2: true}}},
		"not root, nothing handed":    {own: "/a/b", mounts: []cgroupMount{{dir: v2, v2: true}}},
		"a hierarchy that is a file":  {root: true, mounts: []cgroupMount{{dir: filepath.Join(v2, "cgroup.controllers"), controllers: []string{"memory"}}}},
	} {
		if c, err := findCgroups(s, ""); err == nil {
			t.Errorf("%s: %+v, want an error", name, c)
		}
	}
}

// Where no cgroup can be had a server starts all the same, which is logged once and
// told by the doctor; where the operator named one it does not.
func TestWithoutACgroup(t *testing.T) {
	core, logs := observer.New(zap.WarnLevel)
	for _, named := range []string{"", "/named", NoCgroup} {
		r, err := New(Options{StateDir: t.TempDir(), Grace: testGrace, Cgroup: named}, zap.New(core))
		if err != nil {
			t.Fatal(err)
		}
		r.cgroupSystem = func() (cgroupSystem, error) { return cgroupSystem{root: true}, nil }
		for range 2 {
			g, err := r.bound(upstream.Launch{GatewayID: "lc-1", Memory: 1 << 30})
			if (named == "/named") != (gateway.KindOf(err) == gateway.KindUnavailable) || g != nil {
				t.Errorf("named %q: %v, %v", named, g, err)
			}
		}
		if got := r.examineBounds(); (got.Status == doctor.Fail) != (named == "/named") || got.Status == doctor.OK || got.Mend == "" {
			t.Errorf("named %q: the doctor says %+v", named, got)
		}
	}
	if n := logs.FilterMessageSnippet("memory of drivers is not limited").Len(); n != 1 {
		t.Errorf("logged %d times, want once", n)
	}
	for _, bad := range []string{"livygateway", "/", "/a/../b", "/a/", "/a//b", "on"} {
		if _, err := New(Options{StateDir: t.TempDir(), Cgroup: bad}, zap.NewNop()); gateway.KindOf(err) != gateway.KindInvalid {
			t.Errorf("cgroup %q: %v", bad, err)
		}
	}
}

// A hierarchy that is there and cannot be written is none; the doctor tries.
func TestACgroupOfSomebodyElse(t *testing.T) {
	r := newRuntime(t, Options{})
	root := tree(t, map[string]string{"livygateway/cgroup.procs": ""})
	r.cgroupSystem = func() (cgroupSystem, error) {
		return cgroupSystem{root: true, mounts: []cgroupMount{{dir: root, controllers: []string{"memory"}}}}, nil
	}
	// Where root may write everything, a link to nowhere stands for what may not be.
	name := filepath.Join(root, "livygateway", r.groupName("doctor", int64(os.Getpid())))
	if got := r.examineBounds(); got.Status != doctor.OK {
		t.Errorf("where it can be written: %+v", got)
	}
	if err := os.RemoveAll(filepath.Join(root, "livygateway")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("/proc/self", filepath.Join(root, "livygateway")); err != nil {
		t.Fatal(err)
	}
	if got := r.examineBounds(); got.Status != doctor.Warn {
		t.Errorf("where it cannot: %+v", got)
	}
	if _, err := os.Stat(name); err == nil {
		t.Error("the doctor left its cgroup")
	}
}
