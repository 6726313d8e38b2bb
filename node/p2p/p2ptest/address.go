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

// lowestPort is where an address's ports begin: any will do, nobody else uses the address.
const lowestPort = 20_000

var lastPort atomic.Int32

// Address returns an IPv4 address of loopback and a port that nobody listens on, another one in every call. It stays
// free while its user is stopped: no other test process has this address, and no outgoing connection takes ports of it.
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

// Multiaddr returns such an address as libp2p writes it.
func Multiaddr(t testing.TB) string {
	t.Helper()
	host, port := Address(t)
	return fmt.Sprintf("/ip4/%s/tcp/%d", host, port)
}

// HostPort returns such an address as HTTP servers take it.
func HostPort(t testing.TB) string {
	t.Helper()
	host, port := Address(t)
	return net.JoinHostPort(host, strconv.Itoa(port))
}
