package limits

import (
	"net"
	"net/netip"
	"sync"
)

// OwnerOf returns the name of all addresses that count as the one of a host and port: an IPv4 address stands for itself,
// an IPv6 address for its /64, which one host may have as a whole. What is no address is a name of its own.
func OwnerOf(hostport string) string {
	host, _, err := net.SplitHostPort(hostport)
	if err != nil {
		host = hostport
	}
	ip, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	if ip = ip.Unmap(); ip.Is4() {
		return ip.String()
	}
	network, err := ip.WithZone("").Prefix(64)
	if err != nil {
		return ip.String()
	}
	return network.String()
}

// Slots are places that many want, of which each owner may have a part only. What a place is follows from the use:
// a connection, a request, a byte.
type Slots struct {
	total, each int64

	mu    sync.Mutex
	taken int64
	by    map[string]int64 // only owners who have some
}

// NewSlots returns total places, of which each owner may have at most each.
func NewSlots(total, each int64) *Slots {
	return &Slots{total: total, each: min(each, total), by: map[string]int64{}}
}

// TakeSlots takes n places for an owner, all or none, and reports whether there were as many. Nobody waits. ReleaseSlots
// gives them back.
func (s *Slots) TakeSlots(owner string, n int64) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken+n > s.total || s.by[owner]+n > s.each {
		return false
	}
	s.taken += n
	s.by[owner] += n
	return true
}

// ReleaseSlots gives places back that the owner took.
func (s *Slots) ReleaseSlots(owner string, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken -= n
	if s.by[owner] -= n; s.by[owner] <= 0 {
		delete(s.by, owner)
	}
}

// Taken returns how many places are taken, by one owner and in all.
func (s *Slots) Taken(owner string) (own, all int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.by[owner], s.taken
}
