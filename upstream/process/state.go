package process

import (
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/upstream"
)

// state is what a later process needs to know about a server.
type state struct {
	ServerID string `json:"gateway"`
	PID      int    `json:"pid"`
	// Ticks is when the process started, in clock ticks since boot, and Boot the id of
	// that boot: together with PID they identify a process uniquely.
	Ticks uint64 `json:"ticks"`
	Boot  string `json:"boot"`
	Port  int    `json:"port"`
	// Metastore is the port of its metastore; 0 if it has none.
	Metastore int       `json:"metastore,omitempty"`
	Started   time.Time `json:"started"`
	// Exit describes how it ended, if that was observed.
	Exit         string `json:"exit,omitempty"`
	Installation string `json:"installation,omitempty"`
	Epoch        int64  `json:"epoch"`
	// Host is the address that it listens on, 127.0.0.1 if empty, and UID its own user, if
	// it has one.
	Host string `json:"host,omitempty"`
	UID  uint32 `json:"uid,omitempty"`
	// Cgroups are its cgroups; the first one limits its memory.
	Cgroups []string `json:"cgroups,omitempty"`
}

func (s state) host() string { return cmp.Or(s.Host, "127.0.0.1") }

// alive reports whether this process still runs.
func (s state) alive() bool {
	if s.Boot != bootID() {
		return false
	}
	ticks, err := startTicks(s.PID)
	return err == nil && ticks == s.Ticks
}

// id identifies the process; see Ticks.
func (s state) id() string { return fmt.Sprintf("%d-%d", s.PID, s.Ticks) }

func (s state) instance(running bool) upstream.Instance {
	gatewayID, number := gateway.SplitServerID(s.ServerID)
	inst := upstream.Instance{
		GatewayID: gatewayID,
		Number:    number,
		ID:        s.id(),
		Address:   net.JoinHostPort(s.host(), strconv.Itoa(s.Port)),
		Started:   s.Started,
		Running:   running,

		Installation: s.Installation,
		Epoch:        s.Epoch,
	}
	if !running {
		inst.Exit = s.Exit
		if inst.Exit == "" {
			inst.Exit = "ended while no gateway process was running"
		}
	}
	return inst
}

// dirs holds the paths of one server's files. Each epoch has its own, so that an instance that
// starts a server after it lost the lease does not interfere.
type dirs struct {
	root  string // the gateway's
	own   string // the epoch's
	state string // private: it determines which process is killed
	log   string // private; the server has it open
	conf  string // the server reads it
	work  string // the server's home and everything that it writes
}

func (r *Runtime) root(serverID string) string {
	return filepath.Join(r.opts.StateDir, filepath.Base(serverID))
}

func (r *Runtime) dirs(serverID string, epoch int64) dirs {
	root := r.root(serverID)
	own := filepath.Join(root, strconv.FormatInt(epoch, 10))
	return dirs{
		root:  root,
		own:   own,
		state: filepath.Join(own, "state.json"),
		log:   filepath.Join(own, "livy.log"),
		conf:  filepath.Join(own, "conf"),
		work:  filepath.Join(own, "work"),
	}
}

// epochs lists the epochs of which a gateway has files, newest first.
func (r *Runtime) epochs(serverID string) ([]int64, error) {
	entries, err := os.ReadDir(r.root(serverID))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing the gateway's files: %w", err)
	}
	var all []int64
	for _, e := range entries {
		if n, err := strconv.ParseInt(e.Name(), 10, 64); err == nil && e.IsDir() {
			all = append(all, n)
		}
	}
	slices.SortFunc(all, func(a, b int64) int { return cmp.Compare(b, a) })
	return all, nil
}

// newest returns the state of a gateway's newest server; ok is false if there is none.
func (r *Runtime) newest(serverID string) (s state, d dirs, ok bool, err error) {
	all, err := r.epochs(serverID)
	if err != nil {
		return state{}, dirs{}, false, err
	}
	for _, epoch := range all {
		d = r.dirs(serverID, epoch)
		s, ok, err = d.readState()
		if errors.Is(err, errBroken) {
			// Its processes are found by their markers, cgroup and user when it is stopped.
			r.reportBroken(d.state, err)
			continue
		}
		if err != nil || ok {
			return s, d, ok, err
		}
	}
	return state{}, dirs{}, false, nil
}

// reportBroken logs a broken state file once. The caller holds r.mu.
func (r *Runtime) reportBroken(file string, err error) {
	if r.broken[file] {
		return
	}
	r.broken[file] = true
	r.logger.Warn("a state file cannot be read; its server counts as ended", zap.Error(err))
}

// cluster is separate from conf, whose files may contain passwords: Spark sends all of
// HADOOP_CONF_DIR to the cluster.
func (d dirs) cluster() string { return filepath.Join(d.conf, "cluster") }

// kube has a kubeconfig, which Spark would copy into the pods of jobs from conf or cluster.
func (d dirs) kube() string { return filepath.Join(d.conf, "kube") }

// tmp and logs are below work.
func (d dirs) tmp() string  { return filepath.Join(d.work, "tmp") }
func (d dirs) logs() string { return filepath.Join(d.work, "logs") }

// prepare creates the directories, unpacks archives and writes the configuration, readable only
// by the server's user, since it may contain passwords.
func (d dirs) prepare(files map[string]string, l *upstream.Launch, cred *syscall.Credential) error {
	if err := d.clear(); err != nil {
		return err
	}
	if err := d.makeWay(); err != nil {
		return err
	}
	made := []string{d.conf, d.cluster(), d.kube(), d.work, d.tmp(), d.logs()}
	for _, dir := range made {
		if err := os.Mkdir(dir, 0o700); err != nil {
			return fmt.Errorf("making the gateway's directory: %w", err)
		}
	}
	if err := writeFiles(d.conf, files, cred); err != nil {
		return err
	}
	if err := writeFiles(d.cluster(), l.ClusterFiles, cred); err != nil {
		return err
	}
	if l.Kubeconfig != "" {
		if err := writeFiles(d.kube(), map[string]string{"config": l.Kubeconfig}, cred); err != nil {
			return err
		}
	}
	if err := d.unpack(l.Archives, cred); err != nil {
		return err
	}
	// The outer ones last: once a directory belongs to the user, the user's processes can put
	// links in the way of later writes.
	for _, dir := range slices.Backward(made) {
		if err := own(dir, cred); err != nil {
			return err
		}
	}
	return nil
}

// makeWay creates the parent directories. Servers of other users can pass through them but not
// list them.
func (d dirs) makeWay() error {
	for _, dir := range []string{filepath.Dir(d.root), d.root, d.own} {
		//nolint:gosec // above the state directory it is the machine's
		err := os.MkdirAll(filepath.Dir(dir), 0o755)
		if err == nil {
			err = os.Mkdir(dir, 0o711) //nolint:gosec // see above
		}
		if err == nil {
			err = os.Chmod(dir, 0o711) //nolint:gosec // whatever our mask takes away
		}
		if err != nil && !errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("making the gateway's directory: %w", err)
		}
	}
	return nil
}

func writeFiles(dir string, files map[string]string, cred *syscall.Credential) error {
	for name, content := range files {
		path := filepath.Join(dir, filepath.Base(name))
		if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
			return fmt.Errorf("writing %s: %w", name, err)
		}
		if err := own(path, cred); err != nil {
			return err
		}
	}
	return nil
}

func own(path string, cred *syscall.Credential) error {
	if cred == nil || os.Geteuid() != 0 {
		return nil
	}
	if err := os.Lchown(path, int(cred.Uid), int(cred.Gid)); err != nil {
		return fmt.Errorf("giving %s to the server's user: %w", path, err)
	}
	return nil
}

// clear removes everything but the logs.
func (d dirs) clear() error {
	var errs []error
	for _, path := range []string{d.state, d.conf, d.work} {
		errs = append(errs, os.RemoveAll(path))
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("removing the gateway's files: %w", err)
	}
	_ = os.Remove(d.own) // where nothing ever ran there is no log in it
	_ = os.Remove(d.root)
	return nil
}

// openLog creates a new log and keeps the previous one.
func (d dirs) openLog() (*os.File, error) {
	if err := os.Rename(d.log, d.log+".previous"); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("keeping the last log: %w", err)
	}
	// Append mode, so that the file can be truncated while the server writes.
	f, err := os.OpenFile(d.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600)
	if err != nil {
		return nil, fmt.Errorf("making the log: %w", err)
	}
	return f, nil
}

// boundLogs truncates the server's output and Livy's own access log.
func (d dirs) boundLogs(limit int64) error {
	var errs []error
	for dir, logs := range map[string]string{d.own: filepath.Base(d.log), d.work: "logs/*.request.log"} {
		root, err := os.OpenRoot(dir)
		if errors.Is(err, fs.ErrNotExist) {
			continue // a job may have removed its server's home
		}
		if err != nil {
			return fmt.Errorf("bounding the logs: %w", err)
		}
		defer root.Close()
		names, _ := fs.Glob(root.FS(), logs)
		for _, name := range names {
			errs = append(errs, upstream.BoundFile(root, name, limit))
		}
	}
	return errors.Join(errs...)
}

// errBroken means that a state file has no state, as after a loss of power.
var errBroken = errors.New("the state file is broken")

// readState returns the recorded server; ok is false if there is none.
func (d dirs) readState() (s state, ok bool, err error) {
	raw, err := os.ReadFile(d.state)
	if errors.Is(err, fs.ErrNotExist) {
		return state{}, false, nil
	}
	if err != nil {
		return state{}, false, fmt.Errorf("reading a state file: %w", err)
	}
	if err := json.Unmarshal(raw, &s); err != nil {
		return state{}, false, fmt.Errorf("reading %s: %w: %w", d.state, errBroken, err)
	}
	return s, true, nil
}

// writeState replaces the state file atomically.
func (d dirs) writeState(s state) error {
	raw, err := json.Marshal(s)
	if err != nil {
		return fmt.Errorf("writing a state file: %w", err)
	}
	tmp := d.state + ".new"
	if err = writeSynced(tmp, raw); err == nil {
		err = os.Rename(tmp, d.state)
	}
	if err == nil {
		err = syncDir(d.own)
	}
	if err != nil {
		_ = os.Remove(tmp) // the disk may be full
		return fmt.Errorf("writing a state file: %w", err)
	}
	return nil
}

// writeSynced writes a file to the disk: a renamed file whose content was only cached would be
// empty after a loss of power.
func writeSynced(path string, content []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(content)
	return errors.Join(err, f.Sync(), f.Close())
}

func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(dir.Sync(), dir.Close())
}
