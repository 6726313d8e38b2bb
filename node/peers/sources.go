package peers

import (
	"cmp"
	"slices"

	"github.com/remora-network/remora"
)

// Sources decides the order in which peers are asked for batches that execution waits for. Peers that failed to answer come
// last: if a few hanging peers were asked first for every block, this authority would execute more slowly than the chain
// makes blocks, and all batches that it seals would expire.
type Sources struct {
	self   remora.Authority
	failed []int // fruitless questions in a row, by authority
}

// NewSources makes the sources of an authority in a committee of n.
func NewSources(self remora.Authority, n int) *Sources {
	return &Sources{self: self, failed: make([]int, n)}
}

// Order returns all others in the order in which to ask them for batches of an author: those with the fewest failures
// first; among equals from the one after the author on, and the author, which may withhold them, last.
func (s *Sources) Order(author remora.Authority) []remora.Authority {
	n := len(s.failed)
	order := make([]remora.Authority, 0, n)
	for i := range n {
		if a := remora.Authority((int(author) + 1 + i) % n); a != s.self {
			order = append(order, a)
		}
	}
	slices.SortStableFunc(order, func(a, b remora.Authority) int { return cmp.Compare(s.failed[a], s.failed[b]) })
	return order
}

// CountAnswer counts the answer of an authority: a useful one clears its failures.
func (s *Sources) CountAnswer(a remora.Authority, useful bool) {
	if useful {
		s.failed[a] = 0
	} else {
		s.failed[a]++
	}
}

// Author returns the author of the header that lists a batch.
func Author(dag []*remora.Header, digest remora.Hash) remora.Authority {
	for _, h := range dag {
		for _, ref := range h.Payload {
			if ref.Digest == digest {
				return h.Author
			}
		}
	}
	return 0
}
