// Package process runs Livy servers as processes on this machine, from unpacked distributions of
// Livy and Spark. A server outlives the process that started it and is found again by a state
// file. It requires Linux, since it identifies processes by /proc.
package process

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"regexp"
	"sync"
	"syscall"
	"time"

	"go.uber.org/zap"

	"github.com/livygateway/livygateway/internal/gateway"
	"github.com/livygateway/livygateway/upstream"
)

// Options are the options of a Runtime.
type Options struct {
	// StateDir contains a directory for each gateway: its state file, configuration, log
	// and the server's home. Required. Installations must not share it.
	StateDir string
	// User is the user that runs the servers if this process is root; default: the same user.
	User string
	// Users are the users that run one server each if this process is root: names, or
	// ranges of names such as livygw[1-20]. It excludes User.
	Users []string
	// Cgroup is the cgroup, as in /proc/PID/cgroup, below which each server with its
	// drivers gets one that limits its memory. Default: /livygateway, or next to the own
	// cgroup if this process is not root; then it is optional, but a named one is required.
	// NoCgroup means none.
	Cgroup string
	// Grace is how long a server may take to end before it is killed; default 10 s.
	Grace time.Duration
	// MaxLog bounds each log file in bytes; default 32 MiB.
	MaxLog int64
	// Now returns the current time; default time.Now.
	Now func() time.Time
}

// Runtime runs Livy servers as processes.
type Runtime struct {
	opts   Options
	logger *zap.Logger
	one    account   // the user of all servers, unless there is a pool
	pool   []account // one user for each server

	cgroupSystem func() (cgroupSystem, error)
	unbounded    sync.Once // logs once that memory is not limited
	unguarded    sync.Once // logs once that addresses are open

	mu        sync.Mutex               // guards the state files and the following fields
	reaps     map[string]chan struct{} // by instance id; closed when its end is recorded
	ports     map[int]bool             // ports of servers that are being started
	taken     map[uint32]bool          // users of servers that are being started
	listens   map[string]string        // the instance that was seen listening, by server id
	guardSeen time.Time                // last check of the guard
	broken    map[string]bool          // state files that were reported as broken
}

var (
	_ upstream.Runtime   = (*Runtime)(nil)
	_ upstream.Forgetter = (*Runtime)(nil)
	_ upstream.Locator   = (*Runtime)(nil)
)

// New returns a Runtime whose files are in opts.StateDir. It does no I/O.
func New(opts Options, logger *zap.Logger) (*Runtime, error) {
	if opts.StateDir == "" {
		return nil, gateway.Invalid("state_dir", "", "must be a directory")
	}
	dir, err := filepath.Abs(opts.StateDir)
	if err != nil {
		return nil, fmt.Errorf("finding the state directory: %w", err)
	}
	opts.StateDir = dir
	if opts.Grace <= 0 {
		opts.Grace = 10 * time.Second
	}
	if opts.MaxLog <= 0 {
		opts.MaxLog = 32 << 20
	}
	if opts.Now == nil {
		opts.Now = time.Now
	}
	if err := checkCgroupName(opts.Cgroup); err != nil {
		return nil, gateway.Invalid("cgroup", opts.Cgroup, err.Error())
	}
	r := &Runtime{
		opts: opts, logger: logger, cgroupSystem: thisMachine, reaps: map[string]chan struct{}{},
		ports: map[int]bool{}, taken: map[uint32]bool{}, listens: map[string]string{},
		broken: map[string]bool{},
	}
	if err := r.lookUp(); err != nil {
		return nil, err
	}
	return r, nil
}

// Name returns "process".
func (r *Runtime) Name() string { return "process" }

// Close does nothing: servers keep running.
func (r *Runtime) Close() error { return nil }

var idPattern = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]{0,127}$`)

// Start starts a server; see upstream.Runtime.
func (r *Runtime) Start(ctx context.Context, l upstream.Launch) (upstream.Instance, error) {
	if !idPattern.MatchString(l.ServerID()) {
		return upstream.Instance{}, gateway.Invalid("gateway id", l.ServerID(), "must be a plain file name")
	}
	server, err := checkEngine(l.Engine)
	if err != nil {
		return upstream.Instance{}, err
	}
	if err := checkMachine(l); err != nil {
		return upstream.Instance{}, err
	}
	if old, ok, err := r.Find(ctx, l.ServerID()); err != nil {
		return upstream.Instance{}, err
	} else if ok && (old.Running && old.Epoch >= l.Epoch || old.Epoch > l.Epoch) {
		return upstream.Instance{}, gateway.Errorf(gateway.KindConflict, "gateway %s already runs as process %s",
			l.ServerID(), old.ID)
	}
	// Drivers outlive a Livy that crashed.
	if err := r.killAll(ctx, l.ServerID(), l.Epoch, 0); err != nil {
		return upstream.Instance{}, err
	}
	if err := r.clearBefore(l.ServerID(), l.Epoch); err != nil {
		return upstream.Instance{}, err
	}
	user, err := r.takeUser(l.ServerID())
	if err != nil {
		return upstream.Instance{}, err
	}
	defer r.giveBack(user)
	r.keepGuard(true)
	port, err := r.reservePort(user.host())
	if err != nil {
		return upstream.Instance{}, err
	}
	defer r.releasePort(port)
	metastore := 0
	if l.Warehouse.Path != "" {
		if metastore, err = r.reservePort(user.host()); err != nil {
			return upstream.Instance{}, err
		}
		defer r.releasePort(metastore)
		if err := makeWarehouse(l.Warehouse, user.cred); err != nil {
			return upstream.Instance{}, err
		}
	}
	bounds, err := r.bound(l)
	if err != nil {
		return upstream.Instance{}, err
	}
	d := r.dirs(l.ServerID(), l.Epoch)
	inst, err := r.launch(ctx, launching{Launch: l, server: server, user: user, port: port, metastore: metastore, bounds: bounds}, d)
	if err != nil {
		return upstream.Instance{}, errors.Join(err, bounds.remove(), d.clear())
	}
	return inst, nil
}

// Stop stops a server and all its processes; see upstream.Runtime.
func (r *Runtime) Stop(ctx context.Context, serverID string, upTo int64) error {
	if err := r.killAll(ctx, serverID, upTo, r.opts.Grace); err != nil {
		return err
	}
	if err := r.clearBefore(serverID, upTo); err != nil {
		return err
	}
	r.dropGuard()
	return nil
}

// clearBefore removes the files of ended servers up to an epoch, except for the last two logs.
func (r *Runtime) clearBefore(serverID string, upTo int64) error {
	if err := r.dropBounds(serverID, upTo); err != nil {
		r.logger.Warn("could not remove a cgroup", zap.String("gateway", serverID), zap.Error(err))
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.listens, serverID)
	all, err := r.epochs(serverID)
	if err != nil {
		return err
	}
	for i, epoch := range all {
		d := r.dirs(serverID, epoch)
		switch {
		case epoch > upTo:
		case i < 2:
			err = d.clear()
		default:
			err = os.RemoveAll(d.own)
		}
		if err != nil {
			return fmt.Errorf("removing the gateway's files: %w", err)
		}
	}
	return nil
}

// Location names this machine and its state directory.
func (r *Runtime) Location(context.Context) (string, error) {
	host, err := os.Hostname()
	if err != nil {
		return "", gateway.Wrap(gateway.KindUnavailable, "reading this machine's name", err)
	}
	return "process:" + host + ":" + r.opts.StateDir, nil
}

// Forget removes a stopped gateway's log.
func (r *Runtime) Forget(ctx context.Context, serverID string) error {
	if _, ok, err := r.Find(ctx, serverID); err != nil || ok {
		return err
	}
	if err := os.RemoveAll(r.root(serverID)); err != nil {
		return fmt.Errorf("removing the files of gateway %s: %w", serverID, err)
	}
	return nil
}

// Find returns a server; see upstream.Runtime. It also truncates logs that are too
// long, and maintains the OOM scores and the guard.
func (r *Runtime) Find(ctx context.Context, serverID string) (upstream.Instance, bool, error) {
	r.mu.Lock()
	s, d, ok, err := r.newest(serverID)
	r.mu.Unlock()
	if err != nil || !ok {
		return upstream.Instance{}, false, err
	}
	if err := d.boundLogs(r.opts.MaxLog); err != nil {
		r.logger.Warn("could not bound a log", zap.String("gateway", serverID), zap.Error(err))
	}
	r.keepGuard(false)
	if s.alive() {
		s.preferDrivers()
		if r.portTaken(s) {
			inst := s.instance(false)
			inst.Exit = fmt.Sprintf("its port %d was taken by another process before it could listen there",
				s.Port)
			return inst, true, nil
		}
		return s.instance(true), true, nil
	}
	if s, ok, err = r.afterReap(ctx, s, d); err != nil || !ok {
		return upstream.Instance{}, false, err
	}
	return s.instance(false), true, nil
}

// afterReap reads the state of an ended server again, after its end has been recorded.
func (r *Runtime) afterReap(ctx context.Context, s state, d dirs) (state, bool, error) {
	r.mu.Lock()
	noted := r.reaps[s.id()]
	r.mu.Unlock()
	if noted != nil {
		select {
		case <-noted:
		case <-ctx.Done():
			return state{}, false, fmt.Errorf("waiting for process %d to end: %w", s.PID, ctx.Err())
		}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return d.readState()
}

// List returns all servers of this state directory.
func (r *Runtime) List(ctx context.Context) ([]upstream.Instance, error) {
	entries, err := os.ReadDir(r.opts.StateDir)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("listing the state directory: %w", err)
	}
	var all []upstream.Instance
	var failed error
	for _, e := range entries {
		inst, ok, err := r.Find(ctx, e.Name())
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) {
			continue
		}
		if err != nil {
			failed = errors.Join(failed, err)
			continue
		}
		if ok {
			all = append(all, inst)
		}
	}
	return all, failed
}

// Logs returns the last lines of a server's current or last run.
func (r *Runtime) Logs(_ context.Context, serverID string, lines int) ([]string, error) {
	all, err := r.epochs(serverID)
	if err != nil || len(all) == 0 {
		return nil, err
	}
	return upstream.TailFile(r.dirs(serverID, all[0]).log, lines)
}
