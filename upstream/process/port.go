package process

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
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
	known := r.listens[s.GatewayID] == s.id()
	r.mu.Unlock()
	if known {
		return false
	}
	inode, ok := listener(s.host(), s.Port)
	if !ok {
		return false // nothing listens yet
	}
	for _, pid := range r.members(s.GatewayID, s.Epoch) {
		if holds(pid, inode) {
			r.mu.Lock()
			r.listens[s.GatewayID] = s.id()
			r.mu.Unlock()
			return false
		}
	}
	now, ok := listener(s.host(), s.Port) // the server may have begun to listen in between
	return ok && now == inode
}

// listener returns the socket that listens on a port of a loopback address, or on that port of
// all addresses.
func listener(host string, port int) (inode string, ok bool) {
	const listening = "0A"
	suffix := fmt.Sprintf(":%04X", port)
	for _, table := range []string{"/proc/net/tcp", "/proc/net/tcp6"} {
		f, err := os.Open(table)
		if err != nil {
			continue
		}
		for lines := bufio.NewScanner(f); lines.Scan(); {
			// Number, local address, remote address, state, ..., inode is the tenth.
			fields := strings.Fields(lines.Text())
			if len(fields) > 9 && strings.HasSuffix(fields[1], suffix) && fields[3] == listening &&
				reaches(fields[1], host) {
				inode = fields[9]
			}
		}
		_ = f.Close()
		if inode != "" {
			return inode, true
		}
	}
	return "", false
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

// holds reports whether a process has a socket open.
func holds(pid int, inode string) bool {
	dir := filepath.Join("/proc", strconv.Itoa(pid), "fd")
	fds, _ := os.ReadDir(dir)
	for _, fd := range fds {
		if to, err := os.Readlink(filepath.Join(dir, fd.Name())); err == nil && to == "socket:["+inode+"]" {
			return true
		}
	}
	return false
}
