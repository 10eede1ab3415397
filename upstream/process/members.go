package process

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/livygateway/livygateway/internal/gateway"
)

// member is a process of a server: its id may be reused, its id and start together are not.
type member struct {
	pid     int
	ticks   uint64
	session string
}

// hunt finds and ends the processes of a gateway's servers up to an epoch.
type hunt struct {
	r         *Runtime
	gatewayID string
	upTo      int64
	// sessions are those that were the servers' at the last look. A session's id is not
	// reused while the session has members.
	sessions map[string]bool
}

// members lists the live processes of a gateway's servers up to an epoch.
func (r *Runtime) members(gatewayID string, upTo int64) []int {
	h := hunt{r: r, gatewayID: gatewayID, upTo: upTo, sessions: map[string]bool{}}
	return pidsOf(h.look(false))
}

// traces are what the processes of servers are recognized by.
type traces struct {
	sessions     map[string]bool
	groups       []group
	users, later map[uint32]bool // users of these servers, and of later ones
}

func (h *hunt) traces() traces {
	t := traces{sessions: map[string]bool{}, users: map[uint32]bool{}, later: map[uint32]bool{}}
	epochs, _ := h.r.epochs(h.gatewayID) // without files the markers still help
	for _, epoch := range epochs {
		s, ok, err := h.r.dirs(h.gatewayID, epoch).readState()
		if err != nil || !ok || s.Boot != bootID() {
			continue
		}
		if epoch > h.upTo {
			t.later[s.UID] = true
			continue
		}
		if s.UID != 0 {
			t.users[s.UID] = true
		}
		if len(s.Cgroups) > 0 {
			t.groups = append(t.groups, s.Cgroups)
		}
		// Once the server has been waited for, its process id may belong to somebody else,
		// and so may the session of that number.
		session := strconv.Itoa(s.PID)
		if ticks, err := bornTicks(s.PID); err == nil && ticks == s.Ticks || err != nil && h.sessions[session] {
			t.sessions[session] = true
		}
	}
	return t
}

// grouped lists the live processes in the servers' cgroups.
func (h *hunt) grouped(t *traces) (all []member) {
	for _, g := range t.groups {
		for _, pid := range g.pids() {
			if fields, err := stat(pid); err == nil && !ended(fields) {
				all = append(all, asMember(pid, fields))
			}
		}
	}
	return all
}

func asMember(pid int, fields []string) member {
	ticks, _ := strconv.ParseUint(fields[19], 10, 64)
	return member{pid: pid, ticks: ticks, session: fields[3]}
}

// members lists the live processes of the servers: those in a server's session or cgroup, those
// of a user that only this server has, and those with a marker. It looks at all processes of
// the machine.
func (h *hunt) members(t *traces) []member {
	found := map[int]bool{}
	all := h.grouped(t)
	for _, m := range all {
		found[m.pid] = true
	}
	marker := []byte(h.r.markers(h.gatewayID))
	dirs, _ := filepath.Glob("/proc/[0-9]*")
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil || pid == os.Getpid() || found[pid] {
			continue
		}
		fields, err := stat(pid)
		if err != nil || ended(fields) {
			continue
		}
		alone := false
		if len(t.users) > 0 {
			uid, ok := realUser(pid)
			alone = ok && t.users[uid] && !t.later[uid]
		}
		if t.sessions[fields[3]] || alone || carries(dir, marker, h.upTo) {
			all = append(all, asMember(pid, fields))
		}
	}
	return all
}

// look lists the live processes of the servers. Only if the cgroups are empty, or unless quick
// is set, does it look at the whole machine.
func (h *hunt) look(quick bool) []member {
	t := h.traces()
	var all []member
	if quick {
		all = h.grouped(&t)
	}
	if len(all) == 0 {
		all = h.members(&t)
	}
	for _, m := range all {
		if t.sessions[m.session] {
			h.sessions[m.session] = true
		}
	}
	return all
}

// carries reports whether the environment of a process has a marker up to an epoch.
func carries(dir string, marker []byte, upTo int64) bool {
	raw, err := os.ReadFile(filepath.Join(dir, "environ"))
	if err != nil {
		return false
	}
	for v := range bytes.SplitSeq(raw, []byte{0}) {
		if text, ok := bytes.CutPrefix(v, marker); ok {
			epoch, err := strconv.ParseInt(string(text), 10, 64)
			return err == nil && epoch <= upTo
		}
	}
	return false
}

// signal sends a signal to the process, and to no other that has its id by now: the handle is a
// pidfd where the kernel has them.
func (m member) signal(s os.Signal) {
	p, err := os.FindProcess(m.pid)
	if err != nil {
		return // it has ended
	}
	defer func() { _ = p.Release() }()
	if ticks, err := startTicks(m.pid); err == nil && ticks == m.ticks {
		_ = p.Signal(s)
	}
}

// kill ends all processes in the cgroup at once, if the kernel can (version 2, since Linux 5.14).
func (g group) kill() {
	if len(g) > 0 {
		_ = writeControl(filepath.Join(g[0], "cgroup.kill"), "1")
	}
}

// killAll ends all processes of a gateway up to an epoch: it terminates them, waits up to grace,
// then kills them until none is left.
func (r *Runtime) killAll(ctx context.Context, gatewayID string, upTo int64, grace time.Duration) error {
	const step = 50 * time.Millisecond
	h := hunt{r: r, gatewayID: gatewayID, upTo: upTo, sessions: map[string]bool{}}
	signal, began := syscall.SIGTERM, r.opts.Now()
	if grace <= 0 {
		signal = syscall.SIGKILL
	}
	for first := true; ; first = false {
		all := h.look(!first)
		if len(all) == 0 {
			return nil
		}
		waited := r.opts.Now().Sub(began)
		if signal == syscall.SIGTERM && waited >= grace {
			signal, first = syscall.SIGKILL, true
		}
		if waited >= grace+10*time.Second {
			return gateway.Errorf(gateway.KindUnavailable, "processes %v of gateway %s do not end", pidsOf(all),
				gatewayID)
		}
		if signal == syscall.SIGKILL {
			t := h.traces()
			for _, g := range t.groups {
				g.kill()
			}
		}
		if first || signal == syscall.SIGKILL {
			for _, m := range all {
				m.signal(signal)
			}
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("stopping gateway %s: %w", gatewayID, ctx.Err())
		case <-time.After(step):
		}
	}
}

func pidsOf(all []member) (pids []int) {
	for _, m := range all {
		pids = append(pids, m.pid)
	}
	return pids
}
