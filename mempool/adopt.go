package mempool

import (
	"math/bits"
	"slices"

	"github.com/remora-network/remora"
)

const (
	// maxForeign bounds the batches of one peer that wait for adoption. The rest are left to their author.
	maxForeign = 256
	// maxOrdered is the number of ordered batches to remember: later headers may list them again.
	maxOrdered = 8192
	// maxAdoptedBytes bounds the charges of the batches that a header adopts.
	maxAdoptedBytes = 2 << 20
)

// adopter tracks the peers' batches that are stored here and not yet ordered. Another authority proposes such a batch
// after a while, because its author may have died or may be too slow for its headers to become parents, and clients
// would wait forever. A batch is accepted once, however many headers list it. Once it is ordered nobody adopts it again.
//
// Adoption makes others fetch, at this authority's charge. So it takes a batch that authorities of a validity stake hold, its
// author not counted: an author that shows each of them other batches has none of them adopted.
type adopter struct {
	byAuthor [][]*foreign // oldest first
	open     map[remora.BatchRef]bool
	done     remora.Recent[remora.BatchRef, struct{}] // ordered or adopted
	adopted  []adopted                                // oldest first
}

// adopted is a batch that an own header lists for its author, until it is ordered or that header cannot be.
type adopted struct {
	ref   remora.BatchRef
	round remora.Round // of the header
}

// foreign is a batch of a peer.
type foreign struct {
	ref     remora.BatchRef
	proof   remora.Signature // by its author
	since   int              // tick
	holders remora.Bitmap    // known to hold it, beside its author
	due     int              // tick of the next question for holders
}

func newAdopter(n int) adopter {
	return adopter{
		byAuthor: make([][]*foreign, n), open: make(map[remora.BatchRef]bool), done: remora.NewRecent[remora.BatchRef, struct{}](maxOrdered),
	}
}

// rememberBatch adds a peer's stored batch that its author has signed.
func (c *Core) rememberBatch(ref remora.BatchRef, proof remora.Signature) {
	a := &c.foreign
	list := a.byAuthor[ref.Author]
	if proof == (remora.Signature{}) || a.open[ref] || a.done.Has(ref) || len(list) >= maxForeign {
		return
	}
	a.open[ref] = true
	holders := remora.NewBitmap(c.config.Committee.Size(), c.config.Self)
	a.byAuthor[ref.Author] = append(list, &foreign{ref: ref, proof: proof, since: c.clock, holders: holders})
}

// forgetBatch drops exactly this reference: one that names the batch falsely ends nothing.
func (a *adopter) forgetBatch(ref remora.BatchRef) {
	delete(a.open, ref)
	a.done.Add(ref, struct{}{})
	a.adopted = slices.DeleteFunc(a.adopted, func(b adopted) bool { return b.ref == ref })
}

// collectAdopted drops what headers up to a round list.
func (a *adopter) collectAdopted(gc remora.Round) {
	a.adopted = slices.DeleteFunc(a.adopted, func(b adopted) bool { return b.round <= gc })
}

// listAdopted notes what an own header lists for others.
func (a *adopter) listAdopted(h *remora.Header) {
	for ref := range h.Adopted() {
		a.adopted = append(a.adopted, adopted{ref: *ref, round: h.Round})
	}
}

// noteHolder counts an authority that holds batches.
func (c *Core) noteHolder(m BatchesHeld) {
	if !c.config.Committee.Has(m.From) {
		return
	}
	for author, list := range c.foreign.byAuthor {
		if remora.Authority(author) == m.From {
			continue
		}
		for _, f := range list {
			if slices.Contains(m.Digests, f.ref.Digest) {
				f.holders.Add(m.From)
			}
		}
	}
}

// adoptBatches queues the peers' batches that have waited long enough. The author's successor adopts first, so that
// usually one authority does; each further wait doubles the number of authorities that adopt, so that after log n waits
// all of them have, even if few are correct.
func (c *Core) adoptBatches() {
	n := len(c.foreign.byAuthor)
	questions := make([][]remora.Hash, n)
	for author, list := range c.foreign.byAuthor {
		rank := (int(c.config.Self) - author + n) % n // at least 1: own batches are never remembered
		patience := (1 + bits.Len(uint(rank-1))) * c.config.Pace.Adopt
		c.foreign.byAuthor[author] = slices.DeleteFunc(list, func(f *foreign) bool {
			return c.isDone(f) || c.clock-f.since >= patience && c.adoptBatch(f, questions)
		})
	}
	for to, digests := range questions {
		if len(digests) > 0 {
			c.out.Want = append(c.out.Want, Want{From: remora.Authority(to), Held: digests})
		}
	}
}

// isDone reports whether a batch needs no adoption any more, and drops it.
func (c *Core) isDone(f *foreign) bool {
	if c.foreign.open[f.ref] && !c.hasExpired(f.ref) {
		return false
	}
	delete(c.foreign.open, f.ref)
	return true
}

// adoptBatch queues a batch for the next header if that can come to something, and reports whether it did. Otherwise it asks
// who holds the batch.
func (c *Core) adoptBatch(f *foreign, questions [][]remora.Hash) bool {
	if f.ref.Epoch > c.peers.epoch || !c.mayAdopt(&f.ref) {
		return false
	}
	if c.config.Committee.StakeOf(f.holders) >= c.config.Committee.Validity() {
		c.own.proofs[f.ref] = f.proof
		c.own.enqueueBatch(f.ref)
		delete(c.foreign.open, f.ref)
		c.foreign.done.Add(f.ref, struct{}{})
		return true
	}
	if c.clock < f.due {
		return false
	}
	f.due = c.clock + c.config.Pace.Resend
	for to := range questions {
		if a := remora.Authority(to); a != f.ref.Author && !f.holders.Has(a) {
			questions[to] = append(questions[to], f.ref.Digest)
		}
	}
	return false
}

// mayAdopt reports whether this authority may list one more batch of another, by what it adopted and what is not ordered yet:
// half of what it may list goes to adoption, in equal parts to the other authorities.
func (c *Core) mayAdopt(ref *remora.BatchRef) bool {
	all, same := ref.Charge(), ref.Charge()
	count := func(r *remora.BatchRef) {
		if r.Author != c.config.Self {
			all += r.Charge()
		}
		if r.Author == ref.Author {
			same += r.Charge()
		}
	}
	for i := range c.own.queue {
		count(&c.own.queue[i])
	}
	for i := range c.foreign.adopted {
		count(&c.foreign.adopted[i].ref)
	}
	most := remora.ListQuota / 2
	return all <= most && same <= most/(len(c.foreign.byAuthor)-1)
}
