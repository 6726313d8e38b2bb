// Package p2ptest gives tests addresses to listen on.
package p2ptest

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"sync/atomic"
	"testing"
)

// lowestPort is the first port to try. Any would do: no other process uses the address.
const lowestPort = 20_000

var lastPort atomic.Int32

// Address returns a loopback IPv4 address and a port that nothing listens on, a different one in each call. The port stays
// free while its user is stopped: no other test process uses this address, and no outgoing connection takes its ports.
func Address(t testing.TB) (host string, port int) {
	t.Helper()
	pid := os.Getpid()
	host = fmt.Sprintf("127.%d.%d.2", 1+pid/250%250, 1+pid%250)
	for {
		port = lowestPort + int(lastPort.Add(1))
		l, err := net.Listen("tcp4", net.JoinHostPort(host, strconv.Itoa(port)))
		if err == nil {
			if err := l.Close(); err != nil {
				t.Fatal(err)
			}
			return host, port
		}
		if port >= 60_000 {
			t.Fatalf("no free port on %s: %v", host, err)
		}
	}
}

// Multiaddr returns an address as in Address, as a multiaddr.
func Multiaddr(t testing.TB) string {
	t.Helper()
	host, port := Address(t)
	return fmt.Sprintf("/ip4/%s/tcp/%d", host, port)
}

// HostPort returns an address as in Address, as host:port.
func HostPort(t testing.TB) string {
	t.Helper()
	host, port := Address(t)
	return net.JoinHostPort(host, strconv.Itoa(port))
}
