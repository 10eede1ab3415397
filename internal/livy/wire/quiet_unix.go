//go:build unix

package wire

import (
	"errors"
	"syscall"
)

// watchQuiet prepares quiet, so that it allocates nothing.
func (c *conn) watchQuiet() {
	sc, ok := c.Conn.(syscall.Conn)
	if !ok {
		return
	}
	raw, err := sc.SyscallConn()
	if err != nil {
		return
	}
	c.raw = raw
	c.peek = func(fd uintptr) {
		var b [1]byte
		_, _, err := syscall.Recvfrom(int(fd), b[:], syscall.MSG_PEEK|syscall.MSG_DONTWAIT)
		c.empty = errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EWOULDBLOCK)
	}
}

// quiet reports whether an idle connection is still open, and nothing has been received. It does
// not read, since the deadline of the last request may have passed.
func (c *conn) quiet() bool {
	return c.raw != nil && c.raw.Control(c.peek) == nil && c.empty
}
