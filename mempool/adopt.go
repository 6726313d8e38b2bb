package mempool

import (
	"math/bits"

	"github.com/remora-network/remora"
)

const (
	// maxForeign bounds the batches of one peer that are remembered for adoption. Those beyond it are left to their author.
	maxForeign = 256
	// maxOrdered is how many ordered batches are remembered: headers that list them again come for a while.
	maxOrdered = 8192
)

// adopter remembers the batches of peers that are stored here and that no leader has ordered. An authority that is too
// slow for its headers to be anybody's parents, or that dies after a quorum has stored a batch, would otherwise keep
// clients waiting for ever: after a while another authority proposes the batch in its place. A batch executes once,
// however many headers list it.
type adopter struct {
	byAuthor [][]foreign // oldest first
	open     map[remora.Hash]bool
	done     remora.Recent[struct{}] // ordered
}

// foreign is a batch of a peer.
type foreign struct {
	ref   remora.BatchRef
	since int // tick
}

func newAdopter(n int) adopter {
	return adopter{
		byAuthor: make([][]foreign, n), open: make(map[remora.Hash]bool), done: remora.NewRecent[struct{}](maxOrdered),
	}
}

// rememberBatch notes a peer's stored batch.
func (a *adopter) rememberBatch(author remora.Authority, ref remora.BatchRef, tick int) {
	if a.open[ref.Digest] || a.done.Has(ref.Digest) || len(a.byAuthor[author]) >= maxForeign {
		return
	}
	a.open[ref.Digest] = true
	a.byAuthor[author] = append(a.byAuthor[author], foreign{ref: ref, since: tick})
}

// forgetOrdered forgets what a header in a sub-DAG lists.
func (a *adopter) forgetOrdered(h *remora.Header) {
	for _, ref := range h.Payload {
		delete(a.open, ref.Digest)
		a.done.Add(ref.Digest, struct{}{})
	}
}

// adoptBatches lines up the peers' batches that have waited long enough. The authority after the author comes first, so
// that usually one does it; with every further wait it is the turn of as many more as had theirs before, so that all had
// theirs soon even where few are in time.
func (c *Core) adoptBatches() {
	n := len(c.foreign.byAuthor)
	for author := range c.foreign.byAuthor {
		rank := (int(c.config.Self) - author + n) % n // from 1: nobody remembers own batches here
		patience := (1 + bits.Len(uint(rank-1))) * c.config.Pace.Adopt
		list := c.foreign.byAuthor[author]
		for len(list) > 0 {
			first := list[0]
			if open := c.foreign.open[first.ref.Digest]; open && c.clock-first.since < patience {
				break
			} else if open {
				c.own.enqueueBatch(first.ref)
				delete(c.foreign.open, first.ref.Digest)
			}
			list = list[1:]
		}
		c.foreign.byAuthor[author] = list
	}
}
