package web

import (
	"net"
	"slices"
	"sync"
	"time"

	"github.com/remora-network/remora/node/limits"
)

// maxBeyond bounds the connections beyond the limits, on which health is asked for and everything else is refused.
const maxBeyond = 64

// listener accepts connections and gives each its place.
type listener struct {
	net.Listener
	connections *limits.Slots
	recordHit   func(what, owner string)

	mu     sync.Mutex
	beyond []*conn // oldest first
}

// Accept implements net.Listener.
func (l *listener) Accept() (net.Conn, error) {
	inner, err := l.Listener.Accept()
	if err != nil {
		return nil, err
	}
	c := &conn{Conn: inner, owner: limits.OwnerOf(inner.RemoteAddr().String())}
	if l.connections.TakeSlots(c.owner, 1) {
		c.leave = sync.OnceFunc(func() { l.connections.ReleaseSlots(c.owner, 1) })
		return c, nil
	}
	l.recordHit("connections", c.owner)
	c.beyond = true
	c.leave = func() { l.forgetBeyond(c) }
	if oldest := l.keepBeyond(c); oldest != nil {
		_ = oldest.Conn.Close()
	}
	return c, nil
}

// keepBeyond keeps a connection beyond the limits and returns the one that gives way to it, or nil.
func (l *listener) keepBeyond(c *conn) (oldest *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.beyond) == maxBeyond {
		oldest = l.beyond[0]
		l.beyond = slices.Delete(l.beyond, 0, 1)
	}
	l.beyond = append(l.beyond, c)
	return oldest
}

func (l *listener) forgetBeyond(c *conn) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if i := slices.Index(l.beyond, c); i >= 0 {
		l.beyond = slices.Delete(l.beyond, i, i+1)
	}
}

// conn is a connection of a client, which has to take what is written to it at a pace.
type conn struct {
	net.Conn
	owner  string
	beyond bool // the limits
	leave  func()
}

// Write implements net.Conn. It sets the deadline of each step: those that a handler sets have no effect.
func (c *conn) Write(p []byte) (written int, err error) {
	for first := true; first || written < len(p); first = false {
		step := p[written:min(written+writeStep, len(p))]
		if err := c.SetWriteDeadline(time.Now().Add(limits.ClientPace.TimeFor(len(step)))); err != nil {
			return written, err
		}
		n, err := c.Conn.Write(step)
		if written += n; err != nil {
			return written, err
		}
	}
	return written, nil
}

// CloseWrite ends the server's half of the connection, so that the client can still read a last answer.
func (c *conn) CloseWrite() error {
	if tcp, ok := c.Conn.(*net.TCPConn); ok {
		return tcp.CloseWrite()
	}
	return nil
}

// Close implements net.Conn.
func (c *conn) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
