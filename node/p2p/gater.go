package p2p

import (
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

	mu    sync.Mutex
	open  bool
	inUse map[network.Conn]struct{} // guest connections; at most guests entries
}

func newGater(known map[peer.ID]*remote, guests int) *gater {
	return &gater{known: known, guests: guests, inUse: make(map[network.Conn]struct{})}
}

func (g *gater) start() {
	g.mu.Lock()
	g.open = true
	g.mu.Unlock()
}

// InterceptPeerDial allows dialling configured peers only.
func (g *gater) InterceptPeerDial(id peer.ID) bool { return g.known[id] != nil }

// InterceptAddrDial allows the configured addresses only: what a peer says about itself makes us connect nowhere.
func (g *gater) InterceptAddrDial(id peer.ID, addr multiaddr.Multiaddr) bool {
	r := g.known[id]
	return r != nil && r.dials(addr)
}

// InterceptAccept refuses connections until the host runs.
func (g *gater) InterceptAccept(network.ConnMultiaddrs) bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open
}

// InterceptSecured refuses, once the peer's key is proven, who is neither known nor has a guest's place.
func (g *gater) InterceptSecured(_ network.Direction, id peer.ID, _ network.ConnMultiaddrs) bool {
	if g.known[id] != nil {
		return true
	}
	g.mu.Lock()
	defer g.mu.Unlock()
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
