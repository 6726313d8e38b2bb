package p2p

import (
	"slices"
	"sync"

	"github.com/libp2p/go-libp2p/core/control"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
)

// gater decides which connections are allowed: none before the host runs, then those of configured and introduced
// peers, and at most guests others.
type gater struct {
	known  map[peer.ID]*remote // fixed after New
	guests int                 // most guest connections

	mu         sync.Mutex
	open       bool
	guestConns map[network.Conn]struct{}         // guest connections; at most guests entries
	introduced map[peer.ID][]multiaddr.Multiaddr // for requests only; at most maxPeers entries
}

func newGater(known map[peer.ID]*remote, guests int) *gater {
	return &gater{
		known: known, guests: guests,
		guestConns: make(map[network.Conn]struct{}), introduced: make(map[peer.ID][]multiaddr.Multiaddr),
	}
}

func (g *gater) openGate() {
	g.mu.Lock()
	g.open = true
	g.mu.Unlock()
}

// introducePeer records a peer for requests, or changes its addresses, and reports whether there was room.
func (g *gater) introducePeer(id peer.ID, addrs []multiaddr.Multiaddr) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, again := g.introduced[id]; !again && len(g.introduced) >= maxPeers {
		return false
	}
	g.introduced[id] = addrs
	return true
}

// introducedAddrs returns the addresses of an introduced peer, and whether the peer was introduced.
func (g *gater) introducedAddrs(id peer.ID) ([]multiaddr.Multiaddr, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	addrs, ok := g.introduced[id]
	return addrs, ok
}

// InterceptPeerDial allows dialling configured and introduced peers only.
func (g *gater) InterceptPeerDial(id peer.ID) bool {
	_, introduced := g.introducedAddrs(id)
	return introduced || g.known[id] != nil
}

// InterceptAddrDial allows configured and introduced addresses only, never those that a peer announces.
func (g *gater) InterceptAddrDial(id peer.ID, addr multiaddr.Multiaddr) bool {
	if r := g.known[id]; r != nil {
		return r.dialsAddress(addr)
	}
	addrs, _ := g.introducedAddrs(id)
	return slices.ContainsFunc(addrs, addr.Equal)
}

// InterceptAccept refuses connections until the host runs.
func (g *gater) InterceptAccept(network.ConnMultiaddrs) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open
}

// InterceptSecured is called once the peer's key is proven. It admits known and introduced peers, and others while there
// is room for guests.
func (g *gater) InterceptSecured(_ network.Direction, id peer.ID, _ network.ConnMultiaddrs) bool {
	if g.known[id] != nil {
		return true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, introduced := g.introduced[id]; introduced {
		return true
	}
	return len(g.guestConns) < g.guests && isEd25519(id)
}

// InterceptUpgraded allows every connection: guests are counted when they are connected.
func (g *gater) InterceptUpgraded(network.Conn) (bool, control.DisconnectReason) { return true, 0 }

// admitGuest counts a guest's connection and reports whether there was room: several may have passed InterceptSecured at
// the same time.
func (g *gater) admitGuest(c network.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.guestConns) >= g.guests {
		return false
	}
	g.guestConns[c] = struct{}{}
	return true
}

func (g *gater) releaseGuest(c network.Conn) {
	g.mu.Lock()
	delete(g.guestConns, c)
	g.mu.Unlock()
}
