package p2p

import (
	"io"
	"net/netip"
	"slices"
	"sync"
	"time"

	"github.com/libp2p/go-libp2p/core/control"
	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"

	"github.com/remora-network/remora/node/limits"
)

// class says which places and slots a peer uses.
type class uint8

const (
	member     class = iota // configured: the committee
	registered              // named by the registry
	guest                   // everybody else
	classes
)

// Names of the limits that peers and addresses hit.
const (
	limitHandshakes = "connection handshakes"
	limitArrivals   = "new connections"
	limitPlaces     = "connections"
	limitRequests   = "requests"
	limitRate       = "requests a second"
	limitWaiting    = "waiting questions"
)

const (
	// acceptsPerSecond bounds the new connections of one address, before anybody knows whose they are. Addresses at which
	// known nodes are said to live get knownDiscount times as many.
	acceptsPerSecond = 64
	knownDiscount    = 16
	// guestsPerSecond bounds the places that guests of one address take.
	guestsPerSecond = 1
)

// gater decides which connections are allowed: none before the host runs, then those of members, and those of others as
// long as there is room for their class.
type gater struct {
	members map[peer.ID]*remote // fixed after New
	now     func() time.Time
	hits    *limits.Hits
	accepts *pace[netip.Prefix]
	guests  *pace[netip.Prefix] // guests that arrive

	mu         sync.Mutex
	open       bool
	directory  directory
	rooms      [classes]*room // none for members
	handshakes handshakes
}

func newGater(members map[peer.ID]*remote, c Config) *gater {
	quarter := max(1, c.Guests/4)
	g := &gater{
		members: members, now: c.now, hits: c.Hits, directory: newDirectory(), handshakes: newHandshakes(),
		accepts: newPace[netip.Prefix](acceptsPerSecond, 2*acceptsPerSecond),
		guests:  newPace[netip.Prefix](guestsPerSecond, 2*quarter),
	}
	g.rooms[registered] = newRoom(c.RegisteredConns, connsPerRegistered, c.RegisteredConns)
	g.rooms[guest] = newRoom(c.Guests, connsPerGuest, quarter)
	for _, r := range members {
		g.directory.countSources(r.addrs, 1)
	}
	return g
}

func (g *gater) openGate() {
	g.mu.Lock()
	g.open = true
	g.mu.Unlock()
}

func (g *gater) isOpen() bool {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.open
}

// classOf returns the class of a peer as of now: who registers moves up without connecting again.
func (g *gater) classOf(id peer.ID) class {
	if g.members[id] != nil {
		return member
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.classOfOther(id)
}

func (g *gater) classOfOther(id peer.ID) class {
	if g.directory.isRegistered(id) {
		return registered
	}
	return guest
}

// InterceptPeerDial allows dialling members and registered nodes only.
func (g *gater) InterceptPeerDial(id peer.ID) bool { return g.classOf(id) != guest }

// InterceptAddrDial allows configured and registered addresses only, never those that a peer announces.
func (g *gater) InterceptAddrDial(id peer.ID, addr multiaddr.Multiaddr) bool {
	if r := g.members[id]; r != nil {
		return r.dialsAddress(addr)
	}
	return slices.ContainsFunc(g.registeredAddrs(id), addr.Equal)
}

// registeredAddrs returns the addresses of a registered node, none if it is not registered.
func (g *gater) registeredAddrs(id peer.ID) []multiaddr.Multiaddr {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.directory.addrsOf(id)
}

// InterceptAccept refuses connections until the host runs, and those of an address that makes too many.
func (g *gater) InterceptAccept(c network.ConnMultiaddrs) bool {
	if !g.isOpen() {
		return false
	}
	addr := c.RemoteMultiaddr()
	source, cost := sourceOf(addr), 1.0
	g.mu.Lock()
	if g.directory.sources[source] > 0 {
		cost = 1.0 / knownDiscount
	}
	g.mu.Unlock()
	if !g.accepts.spendOne(source, cost, g.now()) {
		g.hits.RecordHit(limitArrivals, sourceName(source))
		return false
	}
	conn, ok := c.(io.Closer)
	if !ok {
		return true
	}
	g.mu.Lock()
	stalled := g.handshakes.beginHandshake(addr, conn)
	g.mu.Unlock()
	if stalled != nil {
		g.hits.RecordHit(limitHandshakes, sourceName(stalled.source))
		_ = stalled.conn.Close()
	}
	return true
}

// endHandshake notes that the handshake of a connection from an address has ended.
func (g *gater) endHandshake(addr multiaddr.Multiaddr) {
	g.mu.Lock()
	g.handshakes.endHandshake(addr.String())
	g.mu.Unlock()
}

// InterceptSecured is called once the peer's key is proven. Keys of other kinds are refused; places are given when the
// connection is complete.
func (g *gater) InterceptSecured(_ network.Direction, id peer.ID, _ network.ConnMultiaddrs) bool {
	return g.members[id] != nil || isEd25519(id)
}

// InterceptUpgraded allows every connection: it gets its place when it is noted.
func (g *gater) InterceptUpgraded(network.Conn) (bool, control.DisconnectReason) { return true, 0 }

// admitConnection gives a place to the complete connection of a peer outside the committee. It returns the connection that
// has to go: none, another one, or c itself.
func (g *gater) admitConnection(c network.Conn) network.Conn {
	now, source := g.now(), sourceOf(c.RemoteMultiaddr())
	g.mu.Lock()
	g.handshakes.endHandshake(c.RemoteMultiaddr().String())
	k := g.classOfOther(c.RemotePeer())
	if k == guest && !g.guests.spendOne(source, 1, now) {
		g.mu.Unlock()
		g.hits.RecordHit(limitArrivals, sourceName(source))
		return c
	}
	leaver, ok := g.rooms[k].admitVisit(&visit{conn: c, peer: c.RemotePeer(), source: source, used: now}, now)
	g.mu.Unlock()
	switch {
	case !ok:
		g.hits.RecordHit(limitPlaces, sourceName(source))
		return c
	case leaver == nil:
		return nil
	}
	if leaver.peer != c.RemotePeer() {
		g.hits.RecordHit(limitPlaces, sourceName(leaver.source))
	}
	return leaver.conn
}

// releaseConnection frees the place of a connection that has ended.
func (g *gater) releaseConnection(c network.Conn) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, r := range g.rooms {
		if r != nil {
			delete(r.visits, c)
		}
	}
}

// beginUse and endUse note that a connection serves a request.
func (g *gater) beginUse(c network.Conn) { g.noteUse(c, 1) }
func (g *gater) endUse(c network.Conn)   { g.noteUse(c, -1) }

func (g *gater) noteUse(c network.Conn, requests int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	for _, r := range g.rooms {
		if r == nil {
			continue
		}
		if v := r.visits[c]; v != nil {
			v.busy, v.used = max(0, v.busy+requests), g.now()
		}
	}
}

// findIdleGuests returns the connections of guests that have been idle for too long, without their places.
func (g *gater) findIdleGuests() []network.Conn {
	now := g.now()
	g.mu.Lock()
	defer g.mu.Unlock()
	var idle []network.Conn
	for c, v := range g.rooms[guest].visits {
		if v.idleTime(now) >= guestIdleTime {
			idle = append(idle, c)
			delete(g.rooms[guest].visits, c)
		}
	}
	return idle
}

// moveConnections gives places of its class of now to the connections of a peer whose class has changed, and returns those
// that have to go.
func (g *gater) moveConnections(id peer.ID) []network.Conn {
	now := g.now()
	g.mu.Lock()
	defer g.mu.Unlock()
	var leaving []network.Conn
	k := g.classOfOther(id)
	for from, r := range g.rooms {
		if r == nil || class(from) == k {
			continue
		}
		for c, v := range r.visits {
			if v.peer != id {
				continue
			}
			delete(r.visits, c)
			leaver, ok := g.rooms[k].admitVisit(v, now)
			switch {
			case !ok:
				leaving = append(leaving, c)
			case leaver != nil:
				leaving = append(leaving, leaver.conn)
			}
		}
	}
	return leaving
}
