package cache

import (
	"slices"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/transfer"
)

// ring is a snapshot of the registered caches. For each content, rendezvous hashing orders them.
type ring struct {
	self      remora.Address
	addresses []remora.Address
	caches    map[remora.Address]transfer.Cache
}

func (s *Service) readRing() (*ring, error) {
	caches, err := s.c.Chain.Caches()
	if err != nil {
		return nil, err
	}
	r := &ring{self: s.c.Self, caches: make(map[remora.Address]transfer.Cache, len(caches))}
	for _, c := range caches {
		r.addresses = append(r.addresses, c.Address)
		r.caches[c.Address] = c
	}
	return r, nil
}

// isRegistered reports whether this cache is registered. It is not while the node is still catching up with the chain.
func (r *ring) isRegistered() bool {
	_, found := r.caches[r.self]
	return found
}

// orderFor returns all caches in order of preference for a content, and the rank of this one, -1 if it is not
// registered.
func (r *ring) orderFor(root remora.Hash) (order []remora.Address, rank int) {
	order = remora.Assign(root, r.addresses, len(r.addresses))
	return order, slices.Index(order, r.self)
}

// otherCaches returns the caches at the given addresses, without this one.
func (r *ring) otherCaches(addresses []remora.Address) []transfer.Cache {
	others := make([]transfer.Cache, 0, len(addresses))
	for _, a := range addresses {
		if a != r.self {
			others = append(others, r.caches[a])
		}
	}
	return others
}

// maxRanks bounds the remembered ranks: 10 MiB.
const maxRanks = 1 << 18

// ranks remembers the rank of this cache for each content while the set of caches stays the same: computing one takes a
// hash per cache, and a repair visits the whole index.
type ranks struct {
	ring  []remora.Address
	known map[remora.Hash]int
}

// isAssigned reports whether the chain assigns an entry to this cache.
func (k *ranks) isAssigned(ring *ring, e remora.ContentEntry) bool {
	if !slices.Equal(k.ring, ring.addresses) {
		k.ring, k.known = ring.addresses, map[remora.Hash]int{}
	}
	rank, known := k.known[e.Content.Root]
	if !known {
		_, rank = ring.orderFor(e.Content.Root)
		if len(k.known) < maxRanks {
			k.known[e.Content.Root] = rank
		}
	}
	return rank >= 0 && rank < int(e.Replicas)
}
