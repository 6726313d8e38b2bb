package p2p

import (
	"fmt"
	"net/netip"
	"slices"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/libp2p/go-libp2p/core/peerstore"
	"github.com/multiformats/go-multiaddr"
)

// directory holds the registered nodes: one entry for each owner, so it is as large as the registry that the owners paid for.
// Peers are compared by their decoded ids. Two owners may name the same peer, in two spellings: the addresses of both are
// tried, since a dial proves who answers, so that none can replace those of the other.
type directory struct {
	entries map[string]entry     // by owner
	owners  map[peer.ID][]string // of each peer
	sources map[netip.Prefix]int // addresses of known nodes, by what counts as one
}

type entry struct {
	id    peer.ID
	addrs []multiaddr.Multiaddr
}

func newDirectory() directory {
	return directory{entries: make(map[string]entry), owners: make(map[peer.ID][]string), sources: make(map[netip.Prefix]int)}
}

func (d *directory) isRegistered(id peer.ID) bool { return len(d.owners[id]) > 0 }

// addrsOf returns the addresses of a peer.
func (d *directory) addrsOf(id peer.ID) []multiaddr.Multiaddr {
	var addrs []multiaddr.Multiaddr
	for _, owner := range d.owners[id] {
		addrs = append(addrs, d.entries[owner].addrs...)
	}
	return addrs
}

// replaceEntry puts an entry in the place of the one that its owner had, and returns the peer of that, empty if there was none.
func (d *directory) replaceEntry(owner string, e entry) (old peer.ID) {
	old = d.removeEntry(owner)
	d.entries[owner] = e
	d.owners[e.id] = append(d.owners[e.id], owner)
	d.countSources(e.addrs, 1)
	return old
}

// removeEntry removes an owner's entry and returns its peer, empty if there was none.
func (d *directory) removeEntry(owner string) peer.ID {
	e, found := d.entries[owner]
	if !found {
		return ""
	}
	delete(d.entries, owner)
	d.countSources(e.addrs, -1)
	d.owners[e.id] = slices.DeleteFunc(d.owners[e.id], func(o string) bool { return o == owner })
	if len(d.owners[e.id]) == 0 {
		delete(d.owners, e.id)
	}
	return e.id
}

// countSources adds to the counts of addresses at which known nodes are said to live.
func (d *directory) countSources(addrs []multiaddr.Multiaddr, n int) {
	for _, a := range addrs {
		source := sourceOf(a)
		if !source.IsValid() {
			continue
		}
		if d.sources[source] += n; d.sources[source] == 0 {
			delete(d.sources, source)
		}
	}
}

// Register makes the node of an owner known, in place of the one that it had: it may be asked, is dialled at the first
// request, and has the places and slots of registered nodes. The host's own node and the configured peers stay what they
// are. Addresses that are none are left out.
func (h *Host) Register(owner string, p Peer) error {
	id, err := decodePeerID(p.ID)
	if err != nil {
		h.Unregister(owner)
		return fmt.Errorf("p2p: %w", err)
	}
	if id == h.lib.ID() || h.remotes[id] != nil {
		h.Unregister(owner)
		return nil
	}
	e := entry{id: id}
	for _, a := range p.Addrs {
		if info, err := parsePeer(Peer{ID: p.ID, Addrs: []string{a}}); err == nil {
			e.addrs = append(e.addrs, info.Addrs...)
		}
	}
	h.gate.mu.Lock()
	old := h.gate.directory.replaceEntry(owner, e)
	h.gate.mu.Unlock()
	if old != "" && old != id {
		h.refreshPeer(old)
	}
	h.refreshPeer(id)
	return nil
}

// Unregister forgets the node of an owner. Its connections go on as those of a guest.
func (h *Host) Unregister(owner string) {
	h.gate.mu.Lock()
	old := h.gate.directory.removeEntry(owner)
	h.gate.mu.Unlock()
	if old != "" {
		h.refreshPeer(old)
	}
}

// refreshPeer sets the addresses at which a peer is dialled, and moves its connections to the places of its class.
func (h *Host) refreshPeer(id peer.ID) {
	h.lib.Peerstore().ClearAddrs(id)
	h.lib.Peerstore().AddAddrs(id, h.gate.registeredAddrs(id), peerstore.PermanentAddrTTL)
	h.closeConns(h.gate.moveConnections(id)...)
}

// closeConns closes connections in the background: closing waits for notifications.
func (h *Host) closeConns(conns ...network.Conn) {
	for _, c := range conns {
		if c != nil {
			h.refused.Add(1)
			go func() { _ = c.Close() }()
		}
	}
}
