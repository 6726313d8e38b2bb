package rpc

import (
	"errors"
	"fmt"
	"net"
	"net/http"
	"sync"
	"syscall"

	"github.com/remora-network/remora/node/port"
)

// listenTCP binds a TCP address. The error for an address in use names the process that holds it, if it can be found.
func listenTCP(address string) (net.Listener, error) {
	l, err := net.Listen("tcp", address)
	if !errors.Is(err, syscall.EADDRINUSE) {
		if err != nil {
			err = fmt.Errorf("rpc address %s: %w", address, err)
		}
		return l, err
	}
	holder := "another process"
	if tcp, err := net.ResolveTCPAddr("tcp", address); err == nil {
		holder = port.Holder(tcp.Port)
	}
	return nil, fmt.Errorf("rpc address %s is in use by %s: stop it or choose another address: %w", address, holder, err)
}

func isLoopbackAddr(a net.Addr) bool {
	tcp, ok := a.(*net.TCPAddr)
	return ok && tcp.IP.IsLoopback()
}

// limited is a listener with a bound on open connections; further ones wait in the kernel's queue.
type limited struct {
	net.Listener
	free   chan struct{}
	closed chan struct{}
	once   sync.Once
}

func limitConnections(l net.Listener, connections int) net.Listener {
	return &limited{Listener: l, free: make(chan struct{}, connections), closed: make(chan struct{})}
}

// Accept implements net.Listener.
func (l *limited) Accept() (net.Conn, error) {
	select {
	case l.free <- struct{}{}:
	case <-l.closed:
		return nil, http.ErrServerClosed
	}
	c, err := l.Listener.Accept()
	if err != nil {
		<-l.free
		return nil, err
	}
	tcp, ok := c.(*net.TCPConn)
	if !ok {
		<-l.free
		return nil, errors.Join(fmt.Errorf("a connection of type %T", c), c.Close())
	}
	return &counted{TCPConn: tcp, done: sync.OnceFunc(func() { <-l.free })}, nil
}

// Close implements net.Listener.
func (l *limited) Close() error {
	l.once.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

// counted is a connection of a limited listener. It is a *net.TCPConn, which the server half-closes so that the client can
// still read a last answer.
type counted struct {
	*net.TCPConn
	done func()
}

// Close implements net.Conn.
func (c *counted) Close() error {
	defer c.done()
	return c.TCPConn.Close()
}
