package attack

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"sync"
	"time"
)

// clientHost and strangerHost are the loopback addresses from which attackers come, so that nodes can tell them from honest
// clients and peers.
const (
	clientHost   = "127.66.0.2"
	strangerHost = "127.66.0.3"
)

// Host returns the address from which the attackers of a kind come; members come from their own.
func Host(kind string) string {
	switch {
	case clientStages()[kind].prepare != nil:
		return clientHost
	case strangerStages()[kind].prepare != nil:
		return strangerHost
	}
	return ""
}

// dialFrom returns a dialer of TCP whose connections come from a loopback address.
func dialFrom(host string) *net.Dialer {
	return &net.Dialer{Timeout: 5 * time.Second, LocalAddr: &net.TCPAddr{IP: net.ParseIP(host)}}
}

// newHTTP returns an HTTP client whose connections come from the attacking client's address.
func newHTTP(connections int) *http.Client {
	return &http.Client{Transport: &http.Transport{
		DialContext: dialFrom(clientHost).DialContext, MaxIdleConnsPerHost: connections, DisableCompression: true,
	}}
}

// tunnel passes TCP connections on to a node from a loopback address: libp2p cannot choose from which address it dials.
type tunnel struct {
	listener net.Listener
	target   string
	from     string
	group    sync.WaitGroup
}

// openTunnel listens on a free port of loopback.
func openTunnel(from, target string) (*tunnel, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("open a tunnel: %w", err)
	}
	return &tunnel{listener: l, target: target, from: from}, nil
}

// run passes connections on until the context ends.
func (t *tunnel) run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { _ = t.listener.Close() })
	defer stop()
	for {
		c, err := t.listener.Accept()
		if err != nil {
			t.group.Wait()
			if ctx.Err() != nil {
				return nil
			}
			return err
		}
		t.group.Go(func() { t.passBytes(ctx, c) })
	}
}

func (t *tunnel) passBytes(ctx context.Context, near net.Conn) {
	defer near.Close()
	far, err := dialFrom(t.from).DialContext(ctx, "tcp", t.target)
	if err != nil {
		return
	}
	end := func() { _ = errors.Join(near.Close(), far.Close()) }
	stop := context.AfterFunc(ctx, end)
	defer stop()
	done := make(chan struct{})
	go func() {
		_, _ = io.Copy(far, near)
		end()
		close(done)
	}()
	_, _ = io.Copy(near, far)
	end()
	<-done
}
