package process

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"net/netip"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"github.com/livygateway/livygateway/internal/doctor"
	"github.com/livygateway/livygateway/internal/gateway"
)

// account is the user that a server runs as. The zero account is the user of this process.
type account struct {
	name string
	cred *syscall.Credential
	// alone is true if the user runs one server at a time, so that all of its processes
	// belong to that server.
	alone bool
}

func (a account) uid() uint32 {
	if a.cred == nil {
		return uint32(os.Geteuid())
	}
	return a.cred.Uid
}

// other reports whether it is another user than that of this process.
func (a account) other() bool { return a.cred != nil && int(a.cred.Uid) != os.Geteuid() }

// host returns the loopback address of the account's servers: an address of its own if the
// account runs one server only.
func (a account) host() string {
	if !a.alone {
		return "127.0.0.1"
	}
	return loopback(a.cred.Uid).String()
}

// maxUID is the highest user id that has a loopback address of its own.
const maxUID = 1<<23 - 1

// loopback returns the address of a user's servers: the upper half of 127.0.0.0/8, which is
// rarely used, has one for each id.
func loopback(uid uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{127, 128 | byte(uid>>16), byte(uid >> 8), byte(uid)})
}

// lookUp finds the configured users.
func (r *Runtime) lookUp() error {
	if r.opts.User != "" && len(r.opts.Users) > 0 {
		return gateway.Invalid("user", r.opts.User, "must not be set together with users")
	}
	if r.opts.User != "" {
		cred, err := credential("user", r.opts.User)
		r.one = account{name: r.opts.User, cred: cred}
		return err
	}
	names, err := expandUsers(r.opts.Users)
	if err != nil {
		return err
	}
	if len(names) > 0 && os.Geteuid() != 0 {
		return gateway.Invalid("users", names[0], "requires Caddy to run as root")
	}
	seen := map[uint32]string{}
	for _, name := range names {
		cred, err := credential("users", name)
		if err != nil {
			return err
		}
		switch same, ok := seen[cred.Uid]; {
		case ok:
			return gateway.Invalid("users", name, "must each have a user id of its own: "+same+" has the same")
		case int(cred.Uid) == os.Geteuid():
			return gateway.Invalid("users", name, "must not be the user that runs Caddy")
		case cred.Uid > maxUID:
			return gateway.Invalid("users", name,
				fmt.Sprintf("must have a user id of at most %d, not %d", maxUID, cred.Uid))
		}
		seen[cred.Uid] = name
		r.pool = append(r.pool, account{name: name, cred: cred, alone: true})
	}
	return nil
}

func credential(option, name string) (*syscall.Credential, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return nil, gateway.Invalid(option, name,
			"must be a user of this machine (useradd --system "+name+" makes one)")
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(err1, err2); err != nil {
		return nil, fmt.Errorf("reading the ids of user %s: %w", name, err)
	}
	if os.Geteuid() != 0 && uint64(os.Geteuid()) != uid {
		return nil, gateway.Invalid(option, name, "requires Caddy to run as root")
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid), NoSetGroups: os.Geteuid() != 0}, nil
}

// UserID returns the id of a user on this machine, or -1.
func UserID(name string) int {
	u, err := user.Lookup(name)
	if err != nil {
		return -1
	}
	uid, err := strconv.Atoi(u.Uid)
	if err != nil {
		return -1
	}
	return uid
}

var rangePattern = regexp.MustCompile(`^([a-z_][a-z0-9_-]*)\[(\d{1,5})-(\d{1,5})\]$`)

// maxUsers bounds the number of users in a range.
const maxUsers = 10000

// expandUsers expands ranges of users such as livygw[1-20].
func expandUsers(list []string) (names []string, err error) {
	for _, item := range list {
		found := rangePattern.FindStringSubmatch(item)
		if found == nil {
			if strings.ContainsAny(item, "[]") {
				return nil, gateway.Invalid("users", item,
					"must be a user's name, or a range of them such as livygw[1-20]")
			}
			names = append(names, item)
			continue
		}
		first, _ := strconv.Atoi(found[2])
		last, _ := strconv.Atoi(found[3])
		if first > last || last-first >= maxUsers {
			return nil, gateway.Invalid("users", item,
				fmt.Sprintf("must be an ascending range of at most %d users", maxUsers))
		}
		for n := first; n <= last; n++ {
			names = append(names, found[1]+strconv.Itoa(n))
		}
	}
	return names, nil
}

// takeUser selects the user of a server that is about to start: one that runs nothing, usually
// the same for the same gateway. The caller releases it with giveBack as soon as a state file
// contains it.
func (r *Runtime) takeUser(serverID string) (account, error) {
	if len(r.pool) == 0 {
		return r.one, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := r.notedUsers(serverID)
	for _, uid := range userIDs() {
		taken[uid] = true
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(serverID))
	first := int(h.Sum32() % uint32(len(r.pool)))
	for i := range r.pool {
		a := r.pool[(first+i)%len(r.pool)]
		if !taken[a.uid()] && !r.taken[a.uid()] {
			r.taken[a.uid()] = true
			return a, nil
		}
	}
	return account{}, gateway.Errorf(gateway.KindUnavailable,
		"none of the %d users of runtime process is free: each runs a gateway's server, or something else; name more of them in the option users", len(r.pool))
}

func (r *Runtime) giveBack(a account) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.taken, a.uid())
}

// notedUsers returns the users of other gateways' servers. The caller holds r.mu.
func (r *Runtime) notedUsers(but string) map[uint32]bool {
	noted := map[uint32]bool{}
	entries, _ := os.ReadDir(r.opts.StateDir)
	for _, e := range entries {
		if e.Name() == but {
			continue
		}
		epochs, _ := r.epochs(e.Name())
		for _, epoch := range epochs {
			if s, ok, err := r.dirs(e.Name(), epoch).readState(); err == nil && ok && s.UID != 0 {
				noted[s.UID] = true
			}
		}
	}
	return noted
}

// userIDs returns the users of all processes, by process id.
func userIDs() map[int]uint32 {
	all := map[int]uint32{}
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		if uid, ok := realUser(pid); ok {
			all[pid] = uid
		}
	}
	return all
}

// realUser returns the real user id of a process. The owner of its directory in /proc may differ,
// if the process is not dumpable.
func realUser(pid int) (uint32, bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, false
	}
	for line := range strings.Lines(string(text)) {
		fields := strings.Fields(line)
		if len(fields) > 1 && fields[0] == "Uid:" {
			uid, err := strconv.ParseUint(fields[1], 10, 32)
			return uint32(uid), err == nil
		}
	}
	return 0, false
}

// reaches checks whether a user can read the files and pass through all directories that lead to
// them. It asks the kernel instead of evaluating file modes, because of access lists and security
// modules.
func (a account) reaches(ctx context.Context, paths ...string) error {
	if !a.other() {
		return nil
	}
	const try = `for p; do if [ -d "$p" ]; then [ -x "$p" ]; else [ -r "$p" ]; fi || { printf %s "$p"; exit 1; }; done`
	args := []string{"-c", try, "sh"}
	for _, path := range paths {
		args = append(args, way(path)...)
	}
	cmd := exec.CommandContext(ctx, "/bin/sh", args...)
	cmd.Dir = "/"
	cmd.Env = []string{"PATH=/usr/bin:/bin"}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: a.cred}
	out, err := cmd.Output()
	if err == nil {
		return nil
	}
	blocked := string(out)
	at := slices.IndexFunc(paths, func(path string) bool { return slices.Contains(way(path), blocked) })
	if at < 0 {
		return gateway.Wrap(gateway.KindUnavailable, "checking the access of user "+a.name, err)
	}
	mode := "gone"
	if info, err := os.Stat(blocked); err == nil {
		mode = info.Mode().String()
	}
	return gateway.Errorf(gateway.KindInvalid,
		"user %s cannot access %s because of %s (%s): move it to where every user has access, e.g. below "+
			"/srv or /var/lib, or grant access (chmod o+x for a directory)",
		a.name, paths[at], blocked, mode)
}

// way returns a path and the directories that lead to it, as far as they exist. For a link these
// are its own directories and those of its target.
func way(path string) (all []string) {
	for _, p := range []string{path, doctor.Existing(path)} {
		if real, err := filepath.EvalSymlinks(p); err == nil && real != p {
			all = append(all, way(real)...)
		}
	}
	for p := path; ; p = filepath.Dir(p) {
		if _, err := os.Lstat(p); err == nil {
			all = append(all, p)
		}
		if p == filepath.Dir(p) {
			break
		}
	}
	slices.SortFunc(all, func(a, b string) int { return len(a) - len(b) })
	return slices.Compact(all)
}
