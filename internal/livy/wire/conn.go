package wire

import (
	"bufio"
	"context"
	"errors"
	"net"
	"os"
	"syscall"
	"time"
)

// maxHead bounds the header of a reply.
const maxHead = 1 << 20

// bufferSize is the size of a connection's buffer. Replies to polls fit in it.
const bufferSize = 4 << 10

// conn is a connection to a server. One goroutine uses it at a time.
type conn struct {
	net.Conn
	pool    *Pool
	address string
	in      *bufio.Reader
	abort   func() // closes the connection's way for good, from any goroutine

	idleSince time.Time

	// Of the request that is being sent.
	ctx         context.Context
	stop        func() bool // ends the watch over ctx; nil before it begins
	until       time.Time   // when the reply must have begun; zero: any time
	wrote, read int
	left        int // how many more bytes the header may have; -1: it has been read
	reply       Reply

	// For quiet.
	raw   syscall.RawConn
	peek  func(fd uintptr)
	empty bool
}

func newConn(p *Pool, address string, raw net.Conn) *conn {
	c := &conn{Conn: raw, pool: p, address: address}
	c.in = bufio.NewReaderSize(c, bufferSize)
	past := time.Unix(1, 0)
	c.abort = func() { _ = c.Conn.SetDeadline(past) }
	c.reply.conn = c
	c.watchQuiet()
	return c
}

var errHead = errors.New("the header of the reply is too large")

// Read reads from the connection, for the buffer.
func (c *conn) Read(b []byte) (int, error) {
	if c.left == 0 {
		return 0, errHead
	}
	if c.left > 0 {
		b = b[:min(len(b), c.left)]
	}
	n, err := c.Conn.Read(b)
	if n == 0 && c.stop == nil && errors.Is(err, os.ErrDeadlineExceeded) {
		if err = c.watch(); err == nil {
			n, err = c.Conn.Read(b)
		}
	}
	c.read += n
	if c.left > 0 {
		c.left -= n
	}
	return n, err
}

// end is called once a request is done with the connection. The connection is kept for others if
// it can be used again.
func (c *conn) end(again bool) {
	if c.stop != nil && !c.stop() { // abort has run, or will
		again = false
	}
	c.ctx, c.stop, c.reply.full = nil, nil, nil
	if !again || c.in.Buffered() > 0 {
		c.close()
		return
	}
	c.pool.put(c)
}

func (c *conn) close() { _ = c.Conn.Close() }
