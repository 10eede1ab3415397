package integration

import (
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/livygateway/livygateway/internal/require"
	"github.com/livygateway/livygateway/internal/store/storetest"
)

// mountBucket starts an S3 server with a bucket and mounts it with FUSE, as an
// operator does. It returns the mount point and the bucket's URL.
func mountBucket(t *testing.T) (dir, url string) {
	t.Helper()
	var programs []string
	for _, name := range []string{"gofakes3", "rclone", "fusermount3"} {
		path, err := exec.LookPath(name)
		require.Need(t, require.Bucket, err == nil,
			name+" is not installed (Debian: apt-get install rclone fuse3; go install github.com/johannesboyne/gofakes3/cmd/gofakes3@v1.2.0)")
		programs = append(programs, path)
	}
	address, work, dir := "127.0.0.1:"+sparePort(t), t.TempDir(), t.TempDir()
	daemon(t, work, nil, programs[0], "-backend", "memory", "-host", address, "-initialbucket", "lake")
	url = "http://" + address + "/lake/"
	eventually(t, 20*time.Second, "the S3 server", func() bool {
		res, err := http.Get(url)
		if err != nil {
			return false
		}
		return res.Body.Close() == nil && res.StatusCode == http.StatusOK
	})
	conf := filepath.Join(work, "rclone.conf")
	write(t, conf, "[s3]\ntype = s3\nprovider = Other\nendpoint = http://"+address+"\naccess_key_id = any\nsecret_access_key = any\nforce_path_style = true\n")
	// This version of rclone cannot do with a CA bundle that AWS_CA_BUNDLE names.
	mounter := daemon(t, work, []string{"AWS_CA_BUNDLE="}, programs[1], "--config", conf, "mount", "s3:lake", dir, "--allow-other",
		"--vfs-cache-mode", "writes", "--vfs-write-back", "0s", "--cache-dir", work, "--uid", "10001", "--gid", "10001")
	t.Cleanup(func() {
		_ = syscall.Unmount(dir, syscall.MNT_DETACH)
		_ = mounter.Process.Signal(syscall.SIGTERM)
	})
	eventually(t, 20*time.Second, "the mount", func() bool {
		var fs syscall.Statfs_t
		const fuse = 0x65735546
		return syscall.Statfs(dir, &fs) == nil && fs.Type == fuse
	})
	return dir, url
}

// TestDirectoryInABucket has a job read and write files of an object store that is
// mounted on the machine.
func TestDirectoryInABucket(t *testing.T) {
	l := dockerLive(t)
	dir, url := mountBucket(t)
	for name, text := range map[string]string{
		"in.txt": "read me",
		"job.py": "open('/mnt/bucket/out.txt', 'w').write(open('/mnt/bucket/in.txt').read().upper())\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil { // read by the container's user
			t.Fatal(err)
		}
	}
	c := newCaddy(t, storetest.StartServer(t), l.livyBlock+`
		start_timeout 6m
		directory bucket {
			type oss
			source `+dir+`
			path /mnt/bucket
		}`)
	c.newGateway("etl", "--directory", "bucket")
	cl := client{t, c.url("etl"), c.newToken("etl").Token}
	var b batch
	cl.expect(http.StatusCreated, "POST", "/batches", map[string]any{"file": "file:/mnt/bucket/job.py", "driverMemory": "1g"}, &b)
	if state, log := cl.batchDone(b.ID); state != "success" {
		t.Fatalf("the batch ended %s:\n%s", state, log)
	}
	var object string
	eventually(t, 20*time.Second, "the object in the store", func() bool {
		res, err := http.Get(url + "out.txt")
		if err != nil {
			return false
		}
		defer res.Body.Close()
		body, err := io.ReadAll(res.Body)
		object = fmt.Sprint(string(body), err)
		return res.StatusCode == http.StatusOK
	})
	if !strings.HasPrefix(object, "READ ME") {
		t.Errorf("the job wrote %q", object)
	}
}
