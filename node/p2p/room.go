package p2p

import (
	"net/netip"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
	"github.com/libp2p/go-libp2p/core/peer"
	"github.com/multiformats/go-multiaddr"
	manet "github.com/multiformats/go-multiaddr/net"
)

const (
	// leastStay is how long a connection may be idle before it gives its place to another one.
	leastStay = 2 * time.Second
	// guestIdleTime is how long a guest may be idle while there is room.
	guestIdleTime = 30 * time.Second
)

// room holds the places for connections of one class. When it is full, a new connection takes the place of the longest idle
// one; the busy ones of an address that has the most places give way to addresses with fewer. A room belongs to its gater,
// whose lock guards it.
type room struct {
	limit, perPeer, perSource int
	visits                    map[network.Conn]*visit // at most limit
}

// visit is a connection that has a place.
type visit struct {
	conn   network.Conn
	peer   peer.ID
	source netip.Prefix
	used   time.Time // when it was admitted, or when its last request began or ended
	busy   int       // requests that are served or wait
}

func newRoom(limit, perPeer, perSource int) *room {
	return &room{limit: limit, perPeer: perPeer, perSource: perSource, visits: make(map[network.Conn]*visit)}
}

// idleTime returns for how long a connection has made no request.
func (v *visit) idleTime(now time.Time) time.Duration {
	if v.busy > 0 {
		return 0
	}
	return now.Sub(v.used)
}

// admitVisit gives a place to a connection. Who must leave for it is nil while there is room; without room nobody leaves,
// and ok is false.
func (r *room) admitVisit(v *visit, now time.Time) (leaver *visit, ok bool) {
	samePeer := func(o *visit) bool { return o.peer == v.peer }
	sameSource := func(o *visit) bool { return o.source == v.source }
	switch {
	case r.countVisits(samePeer) >= r.perPeer:
		leaver = r.longestIdle(samePeer, now) // the peer has given up the old one, whatever we have seen of that
	case r.countVisits(sameSource) >= r.perSource:
		leaver = r.longestIdle(sameSource, now)
		ok = leaver != nil && leaver.idleTime(now) >= leastStay
		if !ok {
			return nil, false
		}
	case len(r.visits) >= r.limit:
		if leaver = r.findLeaver(v.source, now); leaver == nil {
			return nil, false
		}
	}
	if leaver != nil {
		delete(r.visits, leaver.conn)
	}
	r.visits[v.conn] = v
	return leaver, true
}

// findLeaver returns who gives way in a full room: the longest idle connection, if none is idle one of the address with the
// most places, if that has two more than the newcomer's. Nil: nobody does.
func (r *room) findLeaver(newcomer netip.Prefix, now time.Time) *visit {
	longest := r.longestIdle(func(*visit) bool { return true }, now)
	if longest == nil || longest.idleTime(now) >= leastStay {
		return longest
	}
	places := make(map[netip.Prefix]int)
	for _, v := range r.visits {
		places[v.source]++
	}
	most := longest.source
	for source, n := range places {
		if n > places[most] || n == places[most] && source.Addr().Less(most.Addr()) {
			most = source
		}
	}
	if places[most] < places[newcomer]+2 {
		return nil
	}
	return r.longestIdle(func(v *visit) bool { return v.source == most }, now)
}

func (r *room) countVisits(which func(*visit) bool) int {
	n := 0
	for _, v := range r.visits {
		if which(v) {
			n++
		}
	}
	return n
}

// longestIdle returns the longest idle connection of some, the one whose last request was earliest if none is idle, nil
// if there are none.
func (r *room) longestIdle(which func(*visit) bool, now time.Time) *visit {
	var longest *visit
	for _, v := range r.visits {
		if !which(v) {
			continue
		}
		if longest == nil || v.idleTime(now) > longest.idleTime(now) ||
			v.idleTime(now) == longest.idleTime(now) && v.used.Before(longest.used) {
			longest = v
		}
	}
	return longest
}

// sourceOf returns what counts as one address: an IPv4 address, loopback ones included, or a /64 of IPv6. Anything else is
// one source together.
func sourceOf(addr multiaddr.Multiaddr) netip.Prefix {
	if addr == nil {
		return netip.Prefix{}
	}
	raw, err := manet.ToIP(addr)
	if err != nil {
		return netip.Prefix{}
	}
	ip, ok := netip.AddrFromSlice(raw)
	if !ok {
		return netip.Prefix{}
	}
	ip = ip.Unmap()
	bits := 64
	if ip.Is4() {
		bits = 32
	}
	prefix, err := ip.Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return prefix
}

// sourceName names an address for people.
func sourceName(source netip.Prefix) string {
	if source.IsSingleIP() {
		return source.Addr().String()
	}
	return source.String()
}
