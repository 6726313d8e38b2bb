package rpc

import (
	"bufio"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
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
	if _, port, err := net.SplitHostPort(address); err == nil {
		if number, err := strconv.ParseUint(port, 10, 16); err == nil {
			holder = findPortHolder("/proc", uint16(number))
		}
	}
	return nil, fmt.Errorf("rpc address %s is in use by %s: stop it or choose another address: %w", address, holder, err)
}

// findPortHolder describes the process that listens on a TCP port, as far as the proc file system shows it.
func findPortHolder(proc string, port uint16) string {
	inodes := map[string]bool{}
	for _, table := range []string{"tcp", "tcp6"} {
		collectListeners(filepath.Join(proc, "net", table), port, inodes)
	}
	fds, err := filepath.Glob(filepath.Join(proc, "[0-9]*", "fd", "*"))
	if err != nil || len(inodes) == 0 {
		return "another process"
	}
	for _, fd := range fds {
		target, err := os.Readlink(fd)
		if err != nil || !inodes[target] {
			continue
		}
		dir := filepath.Dir(filepath.Dir(fd))
		command, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err != nil {
			command = nil
		}
		line := strings.TrimSpace(strings.ReplaceAll(string(command), "\x00", " "))
		return fmt.Sprintf("process %s (%.120s)", filepath.Base(dir), line)
	}
	return "a process of another user"
}

// collectListeners adds the link targets of the sockets that listen on a port: proc(5), column local_address and state 0A.
func collectListeners(table string, port uint16, inodes map[string]bool) {
	f, err := os.Open(table)
	if err != nil {
		return
	}
	defer f.Close()
	suffix := fmt.Sprintf(":%04X", port)
	for lines := bufio.NewScanner(f); lines.Scan(); {
		column := strings.Fields(lines.Text())
		if len(column) > 9 && column[3] == "0A" && strings.HasSuffix(column[1], suffix) {
			inodes["socket:["+column[9]+"]"] = true
		}
	}
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
