package mempool

import (
	"fmt"
	"maps"

	"github.com/remora-network/remora"
)

// voter keeps, per author, the newest vote and the header that waits for one.
type voter struct {
	ballots []ballot
	waiting []*waiting
	accused []remora.Round // by author: newest round with an Equivocation event
	epoch   remora.Epoch   // of the block after the newest ordered one: no vote waits for what expired before
}

// ballot is the newest vote for an author's headers; none if its round is 0.
type ballot struct {
	vote   remora.Vote
	header *remora.Header // nil if a restart kept only the vote
}

// waiting is the newest header of an author while some of its parents or payload are missing.
type waiting struct {
	header  *remora.Header
	parents int                             // number not accepted yet
	batches map[remora.Hash]remora.BatchRef // not confirmed yet
	asked   remora.Authority                // next to be asked for batches
	due     int                             // tick of the next request for batches
}

// receiveHeader votes for a header, or keeps it until its parents and payload arrive. Cheap checks come first. The
// header's time never refuses or delays a vote: honest clocks may differ by any amount, and block time is a median.
func (c *Core) receiveHeader(h *remora.Header) error {
	if h == nil || h.Digest().IsZero() {
		return fmt.Errorf("mempool: %w: header without digest", remora.ErrInvalid)
	}
	if h.Author == c.config.Self {
		return c.receiveOwnHeader(h)
	}
	if err := c.checkHeader(h); err != nil {
		return err
	}
	b := &c.peers.ballots[h.Author]
	switch {
	case h.Round < b.vote.Round:
		return fmt.Errorf("%w: header of author %d, round %d, after a vote in round %d", ErrTooOld, h.Author, h.Round, b.vote.Round)
	case h.Round == b.vote.Round && h.Digest() == b.vote.Digest && c.inquiry.doubt != Trusted:
		return nil
	case h.Round == b.vote.Round && h.Digest() == b.vote.Digest:
		again := b.vote
		c.out.addMessage(Outgoing{To: h.Author, Vote: &again}) // the first one was lost
		return nil
	case h.Round == b.vote.Round:
		return c.refuseEquivocation(b.header, h)
	}
	if v := c.dag.vertexAt(h.Round, h.Author); v != nil && v.certificate != nil {
		if v.certificate.Digest() != h.Digest() {
			return c.refuseEquivocation(&v.certificate.Header, h)
		}
		return nil // needs no vote any more
	}
	return c.considerHeader(h)
}

// checkHeader refuses a malformed header and one outside the window of rounds. The lower limit is the GC round, not a
// round near the core's own: a header above it can still be ordered, and slow authorities must be able to contribute.
// The lowest round above it is refused too, because its parents are dropped and cannot be checked.
func (c *Core) checkHeader(h *remora.Header) error {
	oldest := max(c.dag.gc, c.floor)
	if c.dag.gc > 0 {
		oldest = max(oldest, c.dag.gc+1)
	}
	switch {
	case h.Round <= oldest:
		return fmt.Errorf("%w: header of author %d, round %d, votes go to rounds above %d", ErrTooOld, h.Author, h.Round, oldest)
	case h.Round > c.highestKept():
		return fmt.Errorf("%w: header of author %d, round %d, at most %d is kept", ErrTooFarAhead, h.Author, h.Round, c.highestKept())
	}
	return h.Check(c.config.Committee)
}

// receiveOwnHeader judges a header of this authority that a peer sent back. It is not kept, so any round is allowed.
func (c *Core) receiveOwnHeader(h *remora.Header) error {
	if err := h.Check(c.config.Committee); err != nil {
		return err
	}
	c.judgeOwnHeader(h)
	if mine := c.own.header; mine != nil && mine.Round == h.Round && mine.Digest() != h.Digest() {
		return c.refuseEquivocation(mine, h)
	}
	return nil
}

func (c *Core) refuseEquivocation(first, second *remora.Header) error {
	if second.Round > c.peers.accused[second.Author] { // two headers are proof enough
		c.peers.accused[second.Author] = second.Round
		c.out.addEvent(Equivocation{First: first, Second: second})
	}
	return fmt.Errorf("%w: author %d made two headers of round %d", ErrEquivocation, second.Author, second.Round)
}

// considerHeader votes for a header that is the author's newest, or lets it wait.
func (c *Core) considerHeader(h *remora.Header) error {
	if w := c.peers.waiting[h.Author]; w != nil {
		switch {
		case h.Round < w.header.Round:
			return fmt.Errorf("%w: header of author %d, round %d, after one of round %d", ErrTooOld, h.Author, h.Round, w.header.Round)
		case h.Digest() == w.header.Digest():
			return nil
		case h.Round == w.header.Round:
			return c.refuseEquivocation(w.header, h)
		}
		c.dismissWaiting(h.Author)
	}
	absent, err := c.dag.absentParents(h)
	if err != nil {
		return err
	}
	if len(h.Payload) > 0 {
		c.own.busyUntil = c.clock + c.config.Pace.IdleDelay
	}
	w := &waiting{header: h, parents: len(absent), asked: h.Author}
	c.peers.waiting[h.Author] = w
	c.wantParents(h, absent)
	if len(h.Payload) > 0 {
		w.batches = make(map[remora.Hash]remora.BatchRef, len(h.Payload))
		for _, ref := range h.Payload {
			if !c.hasExpired(ref) {
				w.batches[ref.Digest] = ref
			}
		}
		if len(w.batches) > 0 {
			c.requestBatches(w)
		}
	}
	c.voteIfComplete(w)
	return nil
}

// dismissWaiting drops the waiting header of an author and the requests for parents that no other child needs.
func (c *Core) dismissWaiting(author remora.Authority) {
	w := c.peers.waiting[author]
	if w == nil {
		return
	}
	c.peers.waiting[author] = nil
	for _, p := range w.header.Parents {
		if missing := (absence{w.header.Round - 1, p}); !c.isNeeded(missing) {
			delete(c.missing.wants, missing)
		}
	}
}

func (c *Core) voteIfComplete(w *waiting) {
	if w.parents > 0 || len(w.batches) > 0 || c.inquiry.doubt != Trusted {
		return
	}
	h := w.header
	c.dismissWaiting(h.Author)
	vote := c.signVote(h, remora.VoteMessage(c.config.Committee.Domain, h))
	c.peers.ballots[h.Author] = ballot{header: h, vote: vote}
	c.out.addRecord(Record{Vote: &vote}, true)
	c.out.addMessage(Outgoing{To: h.Author, Vote: &vote})
	c.out.addEvent(Voted{Header: h})
}

// confirmBatch marks a batch as stored in the waiting headers, and refuses headers that list it with other attributes.
func (c *Core) confirmBatch(ref remora.BatchRef, proof remora.Signature) error {
	if !c.config.Committee.Has(ref.Author) {
		return fmt.Errorf("%w: batch of author %d, who is not in the committee", ErrPayload, ref.Author)
	}
	if ref.Author != c.config.Self {
		c.own.busyUntil = c.clock + c.config.Pace.IdleDelay // its author will propose it soon
		c.rememberBatch(ref, proof)
	}
	for _, w := range c.peers.waiting {
		if w == nil {
			continue
		}
		named, ok := w.batches[ref.Digest]
		if !ok {
			continue
		}
		if named != ref {
			c.refuseWaiting(w, fmt.Errorf("%w: the header lists %+v, the batch is %+v", ErrPayload, named, ref))
			continue
		}
		delete(w.batches, ref.Digest)
		c.voteIfComplete(w)
	}
	return nil
}

// hasExpired reports whether a batch can not be accepted any more by what this authority has ordered, and so by anything that it
// will order.
func (c *Core) hasExpired(ref remora.BatchRef) bool { return ref.Epoch+1 < c.peers.epoch }

// enterEpoch follows the epoch of ordering: votes stop waiting for what has expired.
func (c *Core) enterEpoch(epoch remora.Epoch) {
	if epoch <= c.peers.epoch {
		return
	}
	c.peers.epoch = epoch
	for _, w := range c.peers.waiting {
		if w == nil {
			continue
		}
		maps.DeleteFunc(w.batches, func(_ remora.Hash, ref remora.BatchRef) bool { return c.hasExpired(ref) })
		c.voteIfComplete(w)
	}
}

func (c *Core) refuseWaiting(w *waiting, reason error) {
	c.dismissWaiting(w.header.Author)
	c.out.addEvent(Refused{Header: w.header, Reason: reason})
}

// parentAccepted marks a certificate as accepted in the waiting headers of the round above.
func (c *Core) parentAccepted(parent *remora.Certificate) {
	for _, w := range c.peers.waiting {
		if w == nil || w.header.Round != parent.Round()+1 {
			continue
		}
		p, named := findParent(w.header, parent.Author())
		switch {
		case !named:
		case p.Digest != parent.Digest():
			c.refuseWaiting(w, fmt.Errorf("%w: another certificate of author %d, round %d is known", ErrParents, p.Author, parent.Round()))
		default:
			w.parents--
			c.voteIfComplete(w)
		}
	}
}
