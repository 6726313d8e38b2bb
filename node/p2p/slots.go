package p2p

import (
	"context"
	"net/netip"
	"sync"

	"github.com/libp2p/go-libp2p/core/peer"
)

// claimant is who asks: a peer, and the address that it asks from.
type claimant struct {
	class  class
	peer   peer.ID
	source netip.Prefix
}

// pool bounds what the peers of one class have at a time.
type pool struct {
	limit, perPeer, perSource int

	used     int
	byPeer   map[peer.ID]int // at most limit entries
	bySource map[netip.Prefix]int
}

func newPool(limit, perPeer, perSource int) *pool {
	return &pool{
		limit: limit, perPeer: perPeer, perSource: perSource,
		byPeer: make(map[peer.ID]int), bySource: make(map[netip.Prefix]int),
	}
}

func (p *pool) takeOne(by claimant) bool {
	if p.used >= p.limit || p.byPeer[by.peer] >= p.perPeer || p.bySource[by.source] >= p.perSource {
		return false
	}
	p.used++
	p.byPeer[by.peer]++
	p.bySource[by.source]++
	return true
}

func (p *pool) releaseOne(by claimant) {
	p.used--
	if p.byPeer[by.peer]--; p.byPeer[by.peer] == 0 {
		delete(p.byPeer, by.peer)
	}
	if p.bySource[by.source]--; p.bySource[by.source] == 0 {
		delete(p.bySource, by.source)
	}
}

// requestSlots bounds the requests that are served at once, and the questions that wait, for each class apart: nobody can use
// the slots of another class.
type requestSlots struct {
	mu      sync.Mutex
	running [classes]*pool
	waiting [classes]*pool
	freed   chan struct{} // closed when a running slot is freed
}

// newRequestSlots divides the slots of a configuration. Members are bounded one by one; guests of one address get at most
// half of what guests have.
func newRequestSlots(c Config) *requestSlots {
	members := max(1, len(c.Peers))
	s := &requestSlots{freed: make(chan struct{})}
	s.running[member] = newPool(members*c.PeerRequests, c.PeerRequests, members*c.PeerRequests)
	s.running[registered] = newPool(c.TotalRequests, min(c.PeerRequests, max(1, c.TotalRequests/2)), c.TotalRequests)
	s.running[guest] = newPool(c.GuestRequests, min(c.PeerRequests, DefaultPeerRequests), max(1, c.GuestRequests/2))
	s.waiting[member] = newPool(members*peerWaits, peerWaits, members*peerWaits)
	s.waiting[registered] = newPool(registeredWaits, peerWaits, registeredWaits)
	s.waiting[guest] = newPool(guestWaits, peerWaits, guestWaits/2)
	return s
}

const (
	peerWaits       = 2 // waiting questions of one peer
	registeredWaits = 256
	guestWaits      = 32
)

// takeSlot reserves a slot and reports whether there was one.
func (s *requestSlots) takeSlot(by claimant) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.running[by.class].takeOne(by)
}

func (s *requestSlots) releaseSlot(by claimant) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.running[by.class].releaseOne(by)
	s.announceFreed()
}

func (s *requestSlots) announceFreed() {
	close(s.freed)
	s.freed = make(chan struct{})
}

// beginWait changes a slot for a place among the questions that wait, and reports whether there was one.
func (s *requestSlots) beginWait(by claimant) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.waiting[by.class].takeOne(by) {
		return false
	}
	s.running[by.class].releaseOne(by)
	s.announceFreed()
	return true
}

// endWait gives the place back and takes a slot again, as soon as there is one. It reports whether it got one before the
// context ended.
func (s *requestSlots) endWait(ctx context.Context, by claimant) bool {
	for {
		s.mu.Lock()
		if s.running[by.class].takeOne(by) {
			s.waiting[by.class].releaseOne(by)
			s.mu.Unlock()
			return true
		}
		freed := s.freed
		s.mu.Unlock()
		select {
		case <-freed:
		case <-ctx.Done():
			s.mu.Lock()
			s.waiting[by.class].releaseOne(by)
			s.mu.Unlock()
			return false
		}
	}
}

// lease is a request's hold on its slot.
type lease struct {
	host *Host
	by   claimant
	held bool
}

type leaseKey struct{}

// Await calls wait for a handler, with whose context it was called: a request that waits holds no slot. It returns ErrBusy
// where too many questions of the peer, or of its class, wait already. Outside a handler it only calls wait.
func Await(ctx context.Context, wait func() error) error {
	l, ok := ctx.Value(leaseKey{}).(*lease)
	if !ok {
		return wait()
	}
	slots := l.host.requests
	if !slots.beginWait(l.by) {
		l.host.recordHit(limitWaiting, l.by)
		return &RemoteError{Code: CodeBusy, Message: "too many questions wait at once"}
	}
	err := wait()
	if l.held = slots.endWait(ctx, l.by); !l.held {
		return ctx.Err()
	}
	return err
}

// release gives the slot back, unless it was lost while the request waited.
func (l *lease) release() {
	if l.held {
		l.host.requests.releaseSlot(l.by)
	}
}
