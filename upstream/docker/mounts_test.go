package docker

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/moby/moby/api/types/mount"
	"github.com/moby/moby/client"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/internal/require"
	"github.com/livygateway/livygateway/upstream/upstreamtest"
)

func TestMounts(t *testing.T) {
	got := mounts([]gateway.Directory{
		{Type: "local", Source: "/srv/a", Path: "/mnt/a", ReadOnly: true},
		{Type: "oss", Source: "/srv/b", Path: "/mnt/b"},
		{Type: "nas", Source: "nas.internal:/export/c", Path: "/mnt/c"},
		{Type: "cpfs", Source: "cpfs.internal:/share", Path: "/mnt/d", Options: "nfsvers=3,nolock"},
	}, true)
	if len(got) != 4 {
		t.Fatalf("%d mounts", len(got))
	}
	if m := got[0]; m.Type != mount.TypeBind || m.Source != "/srv/a" || m.Target != "/mnt/a" || !m.ReadOnly {
		t.Errorf("local: %+v", m)
	}
	if m := got[1]; m.Type != mount.TypeBind || m.ReadOnly || m.BindOptions.Propagation != mount.PropagationRSlave {
		t.Errorf("oss: %+v", m)
	}
	for i, want := range map[int]map[string]string{
		2: {"type": "nfs", "o": "addr=nas.internal,nfsvers=4,soft,timeo=600,retrans=2", "device": ":/export/c"},
		3: {"type": "nfs", "o": "addr=cpfs.internal,nfsvers=3,nolock", "device": ":/share"},
	} {
		m := got[i]
		if m.Type != mount.TypeVolume || m.Source != "" || m.VolumeOptions.DriverConfig.Name != "local" {
			t.Errorf("%d: %+v", i, m)
		}
		for key, value := range want {
			if o := m.VolumeOptions.DriverConfig.Options[key]; o != value {
				t.Errorf("%d: %s=%q, want %q", i, key, o, value)
			}
		}
	}
}

func TestDirectoriesAndClusterFilesAreThere(t *testing.T) {
	api := needDocker(t)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "hello"), []byte("here"), 0o644); err != nil {
		t.Fatal(err)
	}
	r := newRuntime(t, Options{})
	l := launch(t, fakeEngine(t))
	l.Directories = []gateway.Directory{{Name: "d", Type: "local", Source: dir, Path: "/mnt/d", ReadOnly: true}}
	l.ClusterFiles = map[string]string{"core-site.xml": "<configuration/>"}
	l.Installation = "in-test"
	inst := started(t, r, l)
	if inst.Installation != "in-test" {
		t.Errorf("installation %q", inst.Installation)
	}
	if env := upstreamtest.Get(t, inst.Address, "/env"); !strings.Contains(env, "HADOOP_CONF_DIR=/etc/livy-cluster\n") {
		t.Errorf("the environment:\n%s", env)
	}
	got, err := api.ContainerInspect(t.Context(), "livygw-"+l.GatewayID, client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	m := got.Container.Mounts
	if len(m) != 1 || m[0].Destination != "/mnt/d" || m[0].Source != dir || m[0].RW {
		t.Errorf("mounts %+v", m)
	}
	stat, err := api.ContainerStatPath(t.Context(), "livygw-"+l.GatewayID, client.ContainerStatPathOptions{Path: "/etc/livy-cluster/core-site.xml"})
	if err != nil || stat.Stat.Size != int64(len("<configuration/>")) {
		t.Errorf("the cluster's configuration: %+v, %v", stat, err)
	}
}

func TestAMissingDirectoryLeavesNothing(t *testing.T) {
	r := newRuntime(t, Options{})
	l := launch(t, fakeEngine(t))
	l.Directories = []gateway.Directory{{Name: "d", Type: "local", Source: "/no/such/place", Path: "/mnt/d"}}
	if _, err := r.Start(t.Context(), l); err == nil || !strings.Contains(err.Error(), "/no/such/place") {
		t.Errorf("Start: %v", err)
	}
	if all, err := r.List(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("left behind: %v, %v", all, err)
	}
}

func TestAGatewayJoinsItsNetwork(t *testing.T) {
	api := needDocker(t)
	const name = "livygateway-test-network"
	if _, err := api.NetworkCreate(t.Context(), name, client.NetworkCreateOptions{Driver: "bridge"}); err != nil {
		t.Fatal(err)
	}
	r := newRuntime(t, Options{})
	l := launch(t, fakeEngine(t))
	t.Cleanup(func() {
		if _, err := api.NetworkRemove(context.Background(), name, client.NetworkRemoveOptions{}); err != nil {
			t.Log(err)
		}
	})
	l.Network = name
	started(t, r, l) // reachable all the same
	got, err := api.ContainerInspect(t.Context(), "livygw-"+l.GatewayID, client.ContainerInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if n := got.Container.NetworkSettings.Networks; len(n) != 1 || n[name] == nil {
		t.Errorf("networks %+v", n)
	}
}

func TestProbe(t *testing.T) {
	r := newRuntime(t, Options{})
	l := launch(t, fakeEngine(t))
	started(t, r, l)
	for path, want := range map[string]bool{"/livy-server": true, "/etc/livy/livy.conf": true, "/opt/fusion/comet.jar": false} {
		if there, err := r.HasFile(t.Context(), l.GatewayID, path); err != nil || there != want {
			t.Errorf("%s is there: %v, %v", path, there, err)
		}
	}
	// Nothing in this image can read a file.
	if flags, err := r.CPUFlags(t.Context(), l.GatewayID); err == nil {
		t.Errorf("flags %q", flags)
	}
}

// An object store's directory is followed where the machine can do that, and
// bound as it is where it cannot; either way its files are there.
func TestADirectoryOfAnObjectStore(t *testing.T) {
	api := needDocker(t)
	for name, propagation := range map[string]uintptr{"on a shared mount": syscall.MS_SHARED, "on a private mount": syscall.MS_PRIVATE} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m")
			require.Need(t, require.Mount, err == nil, fmt.Sprintf("cannot mount here (root is needed): %v", err))
			t.Cleanup(func() { _ = syscall.Unmount(dir, syscall.MNT_DETACH) })
			if err := syscall.Mount("", dir, "", propagation, ""); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(dir, "object"), []byte("x"), 0o644); err != nil { // read by the container's user
				t.Fatal(err)
			}
			r := newRuntime(t, Options{})
			l := launch(t, fakeEngine(t))
			l.Directories = []gateway.Directory{{Name: "bucket", Type: gateway.DirectoryOSS, Source: dir, Path: "/mnt/bucket"}}
			started(t, r, l)
			got, err := api.ContainerInspect(t.Context(), "livygw-"+l.GatewayID, client.ContainerInspectOptions{})
			if err != nil || len(got.Container.Mounts) != 1 {
				t.Fatalf("mounts %+v, %v", got.Container.Mounts, err)
			}
			m := got.Container.Mounts[0]
			if follows := m.Propagation == mount.PropagationRSlave; follows != (propagation == syscall.MS_SHARED) || m.Destination != "/mnt/bucket" || !m.RW {
				t.Errorf("mount %+v", m)
			}
			if there, err := r.HasFile(t.Context(), l.GatewayID, "/mnt/bucket/object"); !there || err != nil {
				t.Errorf("the object is there: %v, %v", there, err)
			}
			if all, err := r.List(t.Context()); err != nil || len(all) != 1 {
				t.Errorf("containers %v, %v", all, err)
			}
		})
	}
}

// What a file server is to mount is asked of the Docker engine: a volume that goes
// with the container. Where the kernel or the server fails, the start says so.
func TestAVolumeOfAFileServer(t *testing.T) {
	api := needDocker(t)
	r := newRuntime(t, Options{})
	l := launch(t, fakeEngine(t))
	l.Directories = []gateway.Directory{{Name: "warehouse", Type: gateway.DirectoryNAS, Source: "127.0.0.1:/export", Path: "/mnt/warehouse", Options: "nfsvers=4,soft,timeo=10,retrans=1"}}
	before := volumes(t, api)
	// Made as Start makes it, to be looked at before it is started.
	created, err := api.ContainerCreate(t.Context(), client.ContainerCreateOptions{
		Name: containerName(l.GatewayID), Config: r.config(l), HostConfig: r.hostConfig(l, true),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.remove(created.ID) })
	got, err := api.ContainerInspect(t.Context(), created.ID, client.ContainerInspectOptions{})
	if err != nil || len(got.Container.Mounts) != 1 {
		t.Fatalf("mounts %+v, %v", got.Container.Mounts, err)
	}
	volume, err := api.VolumeInspect(t.Context(), got.Container.Mounts[0].Name, client.VolumeInspectOptions{})
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]string{"type": "nfs", "o": "addr=127.0.0.1,nfsvers=4,soft,timeo=10,retrans=1", "device": ":/export"}
	if v := volume.Volume; v.Driver != "local" || !maps.Equal(v.Options, want) || got.Container.Mounts[0].Destination != "/mnt/warehouse" {
		t.Errorf("volume %+v, mounted at %s; want options %v", v, got.Container.Mounts[0].Destination, want)
	}
	r.remove(created.ID)
	if _, err := r.Start(t.Context(), l); err == nil || !strings.Contains(err.Error(), ":/export") {
		t.Errorf("with no file server: %v; want an error that names the export", err)
	} else {
		t.Logf("the error: %v", err)
	}
	if all, err := r.List(t.Context()); err != nil || len(all) != 0 {
		t.Errorf("containers left behind: %v, %v", all, err)
	}
	if after := volumes(t, api); after > before {
		t.Errorf("%d volumes, %d before", after, before)
	}
}

// volumes counts the engine's NFS volumes.
func volumes(t *testing.T, api *client.Client) (n int) {
	t.Helper()
	all, err := api.VolumeList(t.Context(), client.VolumeListOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range all.Items {
		if v.Options["type"] == "nfs" {
			n++
		}
	}
	return n
}
