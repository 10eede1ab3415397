package process

import (
	"bufio"
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/livygateway/livygateway/internal/gateway"
)

// reservePort returns a free port that no other server is about to use. The caller releases it
// with releasePort as soon as a state file contains it.
func (r *Runtime) reservePort(host string) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for range 100 {
		port, err := freePort(host)
		if err != nil {
			return 0, err
		}
		if !r.ports[port] && !r.notedPort(port) {
			r.ports[port] = true
			return port, nil
		}
	}
	return 0, gateway.Errorf(gateway.KindUnavailable, "no free port found")
}

func (r *Runtime) releasePort(port int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.ports, port)
}

// notedPort reports whether a state file of this directory contains a port. The caller holds
// r.mu.
func (r *Runtime) notedPort(port int) bool {
	entries, _ := os.ReadDir(r.opts.StateDir)
	for _, e := range entries {
		if s, _, ok, err := r.newest(e.Name()); err == nil && ok && (s.Port == port || s.Metastore == port) {
			return true
		}
	}
	return false
}

// freePort asks the kernel for a free port.
func freePort(host string) (int, error) {
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return 0, gateway.Wrap(gateway.KindUnavailable, "finding a free port", err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port, nil
}

// portTaken reports whether another process listens on a server's port, and would be mistaken
// for it. Once the server itself has been seen listening it is not checked again.
func (r *Runtime) portTaken(s state) bool {
	r.mu.Lock()
	known := r.listens[s.ServerID] == s.id()
	r.mu.Unlock()
	if known {
		return false
	}
	socket, ok := listener(s.host(), s.Port)
	if !ok {
		return false // nothing listens yet
	}
	if slices.ContainsFunc(r.members(s.ServerID, s.Epoch), socket.heldBy) {
		r.mu.Lock()
		r.listens[s.ServerID] = s.id()
		r.mu.Unlock()
		return false
	}
	now, ok := listener(s.host(), s.Port) // the server may have begun to listen in between
	return ok && now == socket
}

// socket is a listening socket: its inode, and the user who opened it.
type socket struct{ inode, uid string }

// listener returns the socket that listens on a port of a loopback address, or on that port of
// all addresses.
func listener(host string, port int) (s socket, ok bool) {
	const listening = "0A"
	suffix := fmt.Sprintf(":%04X", port)
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(table)
		if err != nil {
			continue
		}
		for lines := bufio.NewScanner(f); lines.Scan(); {
			// Number, local address, remote address, state, ...; the user is the eighth, the
			// inode the tenth.
			fields := strings.Fields(lines.Text())
			if len(fields) > 9 && strings.HasSuffix(fields[1], suffix) && fields[3] == listening &&
				reaches(fields[1], host) {
				s = socket{inode: fields[9], uid: fields[7]}
			}
		}
		_ = f.Close()
		if s.inode != "" {
			return s, true
		}
	}
	return socket{}, false
}

// reaches reports whether a listener at an address, as /proc/net writes it, gets
// connections to an IPv4 address of this machine.
func reaches(address, host string) bool {
	at, _, _ := strings.Cut(address, ":")
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return false
	}
	// In native byte order, for IPv6 too.
	number := fmt.Sprintf("%08X", binary.NativeEndian.Uint32(ip.AsSlice()))
	return strings.Trim(at, "0") == "" || strings.HasSuffix(at, number)
}

// heldBy reports whether a process has the socket open. The files of a process of another user
// cannot be read without CAP_SYS_PTRACE, which containers lack: its user then has to do.
func (s socket) heldBy(pid int) bool {
	dir := filepath.Join("/proc", strconv.Itoa(pid), "fd")
	fds, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrPermission) {
		return s.ofUser(pid)
	}
	for _, fd := range fds {
		to, err := os.Readlink(filepath.Join(dir, fd.Name()))
		if errors.Is(err, fs.ErrPermission) {
			return s.ofUser(pid)
		}
		if err == nil && to == "socket:["+s.inode+"]" {
			return true
		}
	}
	return false
}

// ofUser reports whether the user of a process opened the socket.
func (s socket) ofUser(pid int) bool {
	uid, ok := realUser(pid)
	return ok && strconv.FormatUint(uint64(uid), 10) == s.uid
}
