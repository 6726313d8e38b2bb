package p2p

import (
	"context"
	"log/slog"
	"math/bits"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/p2p/net/swarm"
	"github.com/multiformats/go-multiaddr"
)

const (
	dialTimeout = 5 * time.Second
	// dialHeadStart is the time for which the peer with the larger id lets the other one dial, so that two peers which
	// start together make one connection. Two would do no harm, but each costs its keepalives.
	dialHeadStart = 75 * time.Millisecond
)

// remote is one configured peer: its addresses, senders and readers.
type remote struct {
	id      peer.ID
	name    string
	addrs   []multiaddr.Multiaddr
	senders []*sender     // by channel
	readers []*reader     // by channel
	wake    chan struct{} // a connection to the peer came or went
	up      func(string)  // may be nil
	log     *slog.Logger

	mu      sync.Mutex
	out, in uint32    // channels alive in each direction
	alive   bool      // all channels, in both directions
	logged  time.Time // time of the last log line about a change
}

// dialsAddress reports whether an address is one of the peer's configured ones. A DNS name may resolve to any address.
func (r *remote) dialsAddress(addr multiaddr.Multiaddr) bool {
	return slices.ContainsFunc(r.addrs, func(known multiaddr.Multiaddr) bool {
		if known.Equal(addr) {
			return true
		}
		switch known.Protocols()[0].Code {
		case multiaddr.P_DNS, multiaddr.P_DNS4, multiaddr.P_DNS6, multiaddr.P_DNSADDR:
			return true
		}
		return false
	})
}

// keepConnected dials the peer whenever there is no connection, until the context ends.
func (r *remote) keepConnected(ctx context.Context, net *swarm.Swarm) {
	var retry backoff
	for ctx.Err() == nil {
		if retry.wait == 0 && net.LocalPeer() > r.id {
			waitOrWake(ctx, r.wake, dialHeadStart)
		}
		if err := r.dialPeer(ctx, net); err == nil {
			began := time.Now()
			r.awaitDisconnect(ctx, net)
			retry.noteLinkEnd(began)
		}
		waitOrWake(ctx, r.wake, retry.nextWait())
	}
}

// dialPeer returns once there is a connection, ours or the peer's.
func (r *remote) dialPeer(ctx context.Context, net *swarm.Swarm) error {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	net.Backoff().Clear(r.id) // libp2p would refuse to dial again for five seconds or more; our backoff sets the pace
	_, err := net.DialPeer(ctx, r.id)
	return err
}

// awaitDisconnect returns when there is no connection any more, or when the context ends.
func (r *remote) awaitDisconnect(ctx context.Context, net *swarm.Swarm) {
	for net.Connectedness(r.id) == network.Connected {
		select {
		case <-r.wake:
		case <-ctx.Done():
			return
		}
	}
}

// wakeWaiters wakes the goroutines that may wait for a connection to the peer, or for its end.
func (r *remote) wakeWaiters() {
	leaveToken(r.wake)
	for _, s := range r.senders {
		leaveToken(s.wake)
	}
}

// markOutgoing and markIncoming record that a channel came alive or went. When the last one came alive, up is called.
func (r *remote) markOutgoing(channel int, live bool) { r.markChannel(&r.out, channel, live) }
func (r *remote) markIncoming(channel int, live bool) { r.markChannel(&r.in, channel, live) }

func (r *remote) markChannel(mask *uint32, channel int, live bool) {
	r.mu.Lock()
	if live {
		*mask |= 1 << channel
	} else {
		*mask &^= 1 << channel
	}
	was := r.alive
	r.alive = bits.OnesCount32(r.out) == len(r.senders) && bits.OnesCount32(r.in) == len(r.readers)
	alive := r.alive
	// At most one line a second, so that a flapping peer does not fill the log.
	tell := alive != was && time.Since(r.logged) > time.Second
	if tell {
		r.logged = time.Now()
	}
	r.mu.Unlock()
	if tell {
		r.log.Info("peer changed", slog.Any("peer", r.name), slog.Any("connected", alive))
	}
	if alive && !was && r.up != nil {
		r.up(r.name)
	}
}

func (r *remote) isConnected(net *swarm.Swarm) bool {
	if len(r.senders) == 0 {
		return net.Connectedness(r.id) == network.Connected
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.alive
}
