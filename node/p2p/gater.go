package p2p

import (
	"slices"
	"sync"

	"github.com/libp2p/go-libp2p/core/control"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
)

// gater decides who may connect: nobody before the host runs, then the configured peers, and guests while there is room.
type gater struct {
	known  map[peer.ID]*remote // fixed after New
	guests int                 // most guest connections at a time

	mu         sync.Mutex
	open       bool
	inUse      map[network.Conn]struct{}         // guest connections; at most guests entries
	introduced map[peer.ID][]multiaddr.Multiaddr // for requests only; at most maxPeers entries
}

func newGater(known map[peer.ID]*remote, guests int) *gater {
	return &gater{
		known: known, guests: guests,
		inUse: make(map[network.Conn]struct{}), introduced: make(map[peer.ID][]multiaddr.Multiaddr),
	}
}

func (g *gater) start() {
	g.mu.Lock()
	g.open = true
	g.mu.Unlock()
}

// introduce makes a peer known for requests, or changes its addresses. It reports whether there was room.
func (g *gater) introduce(id peer.ID, addrs []multiaddr.Multiaddr) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, again := g.introduced[id]; !again && len(g.introduced) >= maxPeers {
		return false
	}
	g.introduced[id] = addrs
	return true
}

// addresses returns where an introduced peer is dialled, and whether it was introduced.
func (g *gater) addresses(id peer.ID) ([]multiaddr.Multiaddr, bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	addrs, ok := g.introduced[id]
	return addrs, ok
}

// InterceptPeerDial allows dialling configured and introduced peers only.
func (g *gater) InterceptPeerDial(id peer.ID) bool {
	_, introduced := g.addresses(id)
	return introduced || g.known[id] != nil
}

// InterceptAddrDial allows the configured addresses only: what a peer says about itself makes us connect nowhere.
func (g *gater) InterceptAddrDial(id peer.ID, addr multiaddr.Multiaddr) bool {
	if r := g.known[id]; r != nil {
		return r.dials(addr)
	}
	addrs, _ := g.addresses(id)
	return slices.ContainsFunc(addrs, addr.Equal)
}

// InterceptAccept refuses connections until the host runs.
func (g *gater) InterceptAccept(network.ConnMultiaddrs) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open
}

// InterceptSecured refuses, once the peer's key is proven, who is neither known nor introduced nor has a guest's place.
func (g *gater) InterceptSecured(_ network.Direction, id peer.ID, _ network.ConnMultiaddrs) bool {
	if g.known[id] != nil {
		return true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if _, introduced := g.introduced[id]; introduced {
		return true
	}
	return len(g.inUse) < g.guests && isEd25519(id)
}

// InterceptUpgraded has nothing to add: guests are counted when they are connected.
func (g *gater) InterceptUpgraded(network.Conn) (bool, control.DisconnectReason) { return true, 0 }

// admit counts a guest's connection, and reports whether there was room: several may have passed InterceptSecured at once.
func (g *gater) admit(c network.Conn) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	if len(g.inUse) >= g.guests {
		return false
	}
	g.inUse[c] = struct{}{}
	return true
}

func (g *gater) leave(c network.Conn) {
	g.mu.Lock()
	delete(g.inUse, c)
	g.mu.Unlock()
}
