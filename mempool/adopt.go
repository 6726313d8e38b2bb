package mempool

import (
	"math/bits"

	"github.com/remora-network/remora"
)

const (
	// maxForeign bounds the batches of one peer that wait for adoption. The rest are left to their author.
	maxForeign = 256
	// maxOrdered is the number of ordered batches to remember: later headers may list them again.
	maxOrdered = 8192
)

// adopter tracks the peers' batches that are stored here and not yet ordered. Another authority proposes such a batch
// after a while, because its author may have died or may be too slow for its headers to become parents, and clients
// would wait forever. A batch executes once, however many headers list it.
type adopter struct {
	byAuthor [][]foreign // oldest first
	open     map[remora.Hash]bool
	done     remora.Recent[remora.Hash, struct{}] // ordered
}

// foreign is a batch of a peer.
type foreign struct {
	ref   remora.BatchRef
	proof remora.Signature // by its author
	since int              // tick
}

func newAdopter(n int) adopter {
	return adopter{
		byAuthor: make([][]foreign, n), open: make(map[remora.Hash]bool), done: remora.NewRecent[remora.Hash, struct{}](maxOrdered),
	}
}

// rememberBatch adds a peer's stored batch that its author has signed.
func (a *adopter) rememberBatch(ref remora.BatchRef, proof remora.Signature, tick int) {
	list := a.byAuthor[ref.Author]
	if proof == (remora.Signature{}) || a.open[ref.Digest] || a.done.Has(ref.Digest) || len(list) >= maxForeign {
		return
	}
	a.open[ref.Digest] = true
	a.byAuthor[ref.Author] = append(list, foreign{ref: ref, proof: proof, since: tick})
}

// forgetOrdered drops the batches that an ordered header lists.
func (a *adopter) forgetOrdered(h *remora.Header) {
	for _, ref := range h.Payload {
		delete(a.open, ref.Digest)
		a.done.Add(ref.Digest, struct{}{})
	}
}

// adoptBatches queues the peers' batches that have waited long enough. The author's successor adopts first, so that
// usually one authority does; each further wait doubles the number of authorities that adopt, so that after log n waits
// all of them have, even if few are correct.
func (c *Core) adoptBatches() {
	n := len(c.foreign.byAuthor)
	for author := range c.foreign.byAuthor {
		rank := (int(c.config.Self) - author + n) % n // at least 1: own batches are never remembered
		patience := (1 + bits.Len(uint(rank-1))) * c.config.Pace.Adopt
		list := c.foreign.byAuthor[author]
		for len(list) > 0 {
			first := list[0]
			if open := c.foreign.open[first.ref.Digest]; open && c.clock-first.since < patience {
				break
			} else if open {
				c.own.proofs[first.ref.Digest] = first.proof
				c.own.enqueueBatch(first.ref)
				delete(c.foreign.open, first.ref.Digest)
			}
			list = list[1:]
		}
		c.foreign.byAuthor[author] = list
	}
}
