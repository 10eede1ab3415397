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

// account is the user of this machine that a server runs as. The zero account is
// our own user.
type account struct {
	name string
	cred *syscall.Credential
	// alone says that the user is for one server at a time: all of its processes
	// are that server's.
	alone bool
}

func (a account) uid() uint32 {
	if a.cred == nil {
		return uint32(os.Geteuid())
	}
	return a.cred.Uid
}

// other reports whether it is another user than our own.
func (a account) other() bool { return a.cred != nil && int(a.cred.Uid) != os.Geteuid() }

// host is the loopback address of the account's servers: one of its own where no
// other gateway has the account.
func (a account) host() string {
	if !a.alone {
		return "127.0.0.1"
	}
	return loopback(a.cred.Uid).String()
}

// maxUID is the highest user id that has a loopback address of its own.
const maxUID = 1<<23 - 1

// loopback is the address of a user's servers: the half of 127.0.0.0/8 that nobody
// uses by habit has one for each id.
func loopback(uid uint32) netip.Addr {
	return netip.AddrFrom4([4]byte{127, 128 | byte(uid>>16), byte(uid >> 8), byte(uid)})
}

// lookUp finds the users that the operator named.
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
		return gateway.Invalid("users", names[0], "can only be chosen by root")
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
			return gateway.Invalid("users", name, fmt.Sprintf("must have a user id of at most %d, not %d", maxUID, cred.Uid))
		}
		seen[cred.Uid] = name
		r.pool = append(r.pool, account{name: name, cred: cred, alone: true})
	}
	return nil
}

func credential(option, name string) (*syscall.Credential, error) {
	u, err := user.Lookup(name)
	if err != nil {
		return nil, gateway.Invalid(option, name, "must be a user of this machine (useradd --system "+name+" makes one)")
	}
	uid, err1 := strconv.ParseUint(u.Uid, 10, 32)
	gid, err2 := strconv.ParseUint(u.Gid, 10, 32)
	if err := errors.Join(err1, err2); err != nil {
		return nil, fmt.Errorf("reading the ids of user %s: %w", name, err)
	}
	if os.Geteuid() != 0 && uint64(os.Geteuid()) != uid {
		return nil, gateway.Invalid(option, name, "can only be chosen by root")
	}
	return &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid), NoSetGroups: os.Geteuid() != 0}, nil
}

// UserID is the id of a user of this machine, -1 if there is none of that name.
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

// maxUsers bounds what a range may stand for.
const maxUsers = 10000

// expandUsers writes out what stands for several users: livygw[1-20].
func expandUsers(list []string) (names []string, err error) {
	for _, item := range list {
		found := rangePattern.FindStringSubmatch(item)
		if found == nil {
			if strings.ContainsAny(item, "[]") {
				return nil, gateway.Invalid("users", item, "must be a user's name, or a range of them such as livygw[1-20]")
			}
			names = append(names, item)
			continue
		}
		first, _ := strconv.Atoi(found[2])
		last, _ := strconv.Atoi(found[3])
		if first > last || last-first >= maxUsers {
			return nil, gateway.Invalid("users", item, fmt.Sprintf("must be a range that goes up, of at most %d users", maxUsers))
		}
		for n := first; n <= last; n++ {
			names = append(names, found[1]+strconv.Itoa(n))
		}
	}
	return names, nil
}

// takeUser chooses the user of a server that is about to start: out of users one
// that runs nothing, mostly the same for the same gateway. The caller gives it back
// with giveBack as soon as a state file holds it.
func (r *Runtime) takeUser(gatewayID string) (account, error) {
	if len(r.pool) == 0 {
		return r.one, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	taken := r.notedUsers(gatewayID)
	for _, uid := range userIDs() {
		taken[uid] = true
	}
	h := fnv.New32a()
	_, _ = h.Write([]byte(gatewayID))
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

// notedUsers are the users that the servers of other gateways have. The caller
// holds r.mu.
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

// userIDs are the users of all processes, by process id.
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

// realUser is the real user id of a process; the owner of its directory in /proc
// is another where the process may not be looked at.
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

// reaches tries whether a user can pass through all directories to a place, and
// read what is there. The kernel is asked, not the modes of files: there are access
// lists and security modules.
func (a account) reaches(ctx context.Context, places ...string) error {
	if !a.other() {
		return nil
	}
	const try = `for p; do if [ -d "$p" ]; then [ -x "$p" ]; else [ -r "$p" ]; fi || { printf %s "$p"; exit 1; }; done`
	args := []string{"-c", try, "sh"}
	for _, place := range places {
		args = append(args, way(place)...)
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
	at := slices.IndexFunc(places, func(place string) bool { return slices.Contains(way(place), blocked) })
	if at < 0 {
		return gateway.Wrap(gateway.KindUnavailable, "trying what user "+a.name+" can reach", err)
	}
	mode := "gone"
	if info, err := os.Stat(blocked); err == nil {
		mode = info.Mode().String()
	}
	return gateway.Errorf(gateway.KindInvalid,
		"user %s cannot reach %s, because of %s (%s): put it where every user can go, e.g. below /srv or /var/lib, or open that (chmod o+x for a directory)",
		a.name, places[at], blocked, mode)
}

// way are the directories that lead to a place, and the place, as far as they are
// there. A link leads through its own directories and those of its target.
func way(place string) (all []string) {
	for _, p := range []string{place, doctor.Existing(place)} {
		if real, err := filepath.EvalSymlinks(p); err == nil && real != p {
			all = append(all, way(real)...)
		}
	}
	for p := place; ; p = filepath.Dir(p) {
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
