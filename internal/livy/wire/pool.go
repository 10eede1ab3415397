package wire

import (
	"sync"
	"time"
)

// Connections are kept for a shorter time than Livy keeps them, which is 30 seconds.
const (
	keepFor  = 20 * time.Second
	keepMost = 256 // for each server
)

// Pool keeps connections to servers. Its zero value is ready.
type Pool struct {
	mu      sync.Mutex
	servers map[string][]*conn // idle connections by host:port, the last used one at the end
	closed  bool
	sweeper *time.Timer // nil if there are no idle connections
}

// take returns an idle connection to a server, or nil if there is none. Those that the server has
// closed, or sent something on that nobody asked for, are dropped.
func (p *Pool) take(address string) *conn {
	for {
		p.mu.Lock()
		idle := p.servers[address]
		if len(idle) == 0 {
			p.mu.Unlock()
			return nil
		}
		c := idle[len(idle)-1]
		idle[len(idle)-1] = nil
		p.servers[address] = idle[:len(idle)-1]
		p.mu.Unlock()
		if time.Since(c.idleSince) < keepFor && c.quiet() {
			return c
		}
		c.close()
	}
}

// put keeps a connection.
func (p *Pool) put(c *conn) {
	c.idleSince = time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	idle := p.servers[c.address]
	if p.closed || len(idle) >= keepMost {
		c.close()
		return
	}
	if p.servers == nil {
		p.servers = make(map[string][]*conn)
	}
	p.servers[c.address] = append(idle, c)
	if p.sweeper == nil {
		p.sweeper = time.AfterFunc(keepFor/4, p.sweep)
	}
}

// sweep closes connections that have not been used for a while.
func (p *Pool) sweep() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for address, idle := range p.servers {
		old := 0
		for old < len(idle) && time.Since(idle[old].idleSince) >= keepFor {
			idle[old].close()
			old++
		}
		if rest := copy(idle, idle[old:]); rest > 0 {
			clear(idle[rest:])
			p.servers[address] = idle[:rest]
		} else {
			delete(p.servers, address)
		}
	}
	p.sweeper = nil
	if len(p.servers) > 0 && !p.closed {
		p.sweeper = time.AfterFunc(keepFor/4, p.sweep)
	}
}

// Close closes the idle connections. Those in use are closed after their replies.
func (p *Pool) Close() {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.closed = true
	for _, idle := range p.servers {
		for _, c := range idle {
			c.close()
		}
	}
	clear(p.servers)
	if p.sweeper != nil {
		p.sweeper.Stop()
	}
}
