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
	// yield is how long the peer with the larger id leaves dialling to the other, so that two peers which start together
	// do not make two connections. Two do no harm, but each costs its keepalives.
	yield = 75 * time.Millisecond
)

// remote is what we hold about one configured peer.
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
	alive   bool      // all of them
	logged  time.Time // when the log last heard of a change
}

// dials reports whether an address is one that the configuration gives for the peer. A DNS name may resolve to any.
func (r *remote) dials(addr multiaddr.Multiaddr) bool {
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

// keep dials the peer until the context ends, whenever there is no connection.
func (r *remote) keep(ctx context.Context, net *swarm.Swarm) {
	var retry backoff
	for ctx.Err() == nil {
		if retry.wait == 0 && net.LocalPeer() > r.id {
			rest(ctx, r.wake, yield)
		}
		if err := r.connect(ctx, net); err == nil {
			began := time.Now()
			r.hold(ctx, net)
			retry.ended(began)
		}
		rest(ctx, r.wake, retry.next())
	}
}

// connect returns once there is a connection, whoever made it.
func (r *remote) connect(ctx context.Context, net *swarm.Swarm) error {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	net.Backoff().Clear(r.id) // libp2p would refuse to dial again for five seconds and more; the pace is ours
	_, err := net.DialPeer(ctx, r.id)
	return err
}

// hold waits while there is a connection.
func (r *remote) hold(ctx context.Context, net *swarm.Swarm) {
	for net.Connectedness(r.id) == network.Connected {
		select {
		case <-r.wake:
		case <-ctx.Done():
			return
		}
	}
}

// stir wakes everything that may wait for a connection to the peer, or for its end.
func (r *remote) stir() {
	poke(r.wake)
	for _, s := range r.senders {
		poke(s.wake)
	}
}

// setOut and setIn note that a channel came alive or went, and tell the owner when the last one came.
func (r *remote) setOut(channel int, live bool) { r.set(&r.out, channel, live) }
func (r *remote) setIn(channel int, live bool)  { r.set(&r.in, channel, live) }

func (r *remote) set(mask *uint32, channel int, live bool) {
	r.mu.Lock()
	if live {
		*mask |= 1 << channel
	} else {
		*mask &^= 1 << channel
	}
	was := r.alive
	r.alive = bits.OnesCount32(r.out) == len(r.senders) && bits.OnesCount32(r.in) == len(r.readers)
	alive := r.alive
	// A peer that comes and goes all the time must not fill the log.
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

func (r *remote) connected(net *swarm.Swarm) bool {
	if len(r.senders) == 0 {
		return net.Connectedness(r.id) == network.Connected
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.alive
}
