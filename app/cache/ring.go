package cache

import (
	"slices"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/transfer"
)

// ring is the registered caches as one round of work sees them, in the order that rendezvous hashing gives each content.
type ring struct {
	self      remora.Address
	addresses []remora.Address
	caches    map[remora.Address]transfer.Cache
}

func (s *Service) ring() (*ring, error) {
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

// registered reports whether this cache is one of them. It is not while the node is still catching up with the chain.
func (r *ring) registered() bool {
	_, found := r.caches[r.self]
	return found
}

// order returns all caches, the first choice first, and the rank of this one among them, -1 where it is not registered.
func (r *ring) order(root remora.Hash) (order []remora.Address, rank int) {
	order = remora.Assign(root, r.addresses, len(r.addresses))
	return order, slices.Index(order, r.self)
}

// others returns the caches at some addresses but this one.
func (r *ring) others(addresses []remora.Address) []transfer.Cache {
	others := make([]transfer.Cache, 0, len(addresses))
	for _, a := range addresses {
		if a != r.self {
			others = append(others, r.caches[a])
		}
	}
	return others
}

// maxRanks bounds what is remembered of an index: 10 MiB.
const maxRanks = 1 << 18

// ranks remembers how this cache ranks for content, as long as the caches stay the same: to find out takes a hash for
// each of them, and a repair goes through the whole index.
type ranks struct {
	ring  []remora.Address
	known map[remora.Hash]int
}

// assigned reports whether the chain wants this cache to hold an entry.
func (k *ranks) assigned(ring *ring, e remora.ContentEntry) bool {
	if !slices.Equal(k.ring, ring.addresses) {
		k.ring, k.known = ring.addresses, map[remora.Hash]int{}
	}
	rank, known := k.known[e.Content.Root]
	if !known {
		_, rank = ring.order(e.Content.Root)
		if len(k.known) < maxRanks {
			k.known[e.Content.Root] = rank
		}
	}
	return rank >= 0 && rank < int(e.Replicas)
}
