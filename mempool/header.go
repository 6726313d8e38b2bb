package mempool

import (
	"slices"

	"github.com/remora-network/remora"
)

// proposer makes the own headers.
type proposer struct {
	header       *remora.Header // the newest
	round        remora.Round   // nothing is proposed up to here
	at           int            // tick of the newest header
	parents      remora.Round   // the quorum on which the next header builds
	entered      int            // tick at which that quorum was complete
	lasted       int            // ticks from the quorum before to that one
	queue        []remora.BatchRef
	known        map[remora.Hash]bool // batches in queue and in flight
	flight       []*remora.Header     // own headers that are not ordered, oldest first
	shares       []remora.Share
	contribution []remora.Contribution // at most one
	busyUntil    int                   // tick up to which a peer's payload is expected to be certified
	demand       bool
}

func newProposer(at int) proposer { return proposer{at: at, known: make(map[remora.Hash]bool)} }

// enqueueBatch takes an own batch for the next header, unless it is in line or in a header already. The worker's limit on
// unexecuted batches bounds the queue.
func (p *proposer) enqueueBatch(ref remora.BatchRef) {
	if p.known[ref.Digest] {
		return
	}
	p.known[ref.Digest] = true
	p.queue = append(p.queue, ref)
}

// carryShare takes an own block share for the next header. Of more than a header holds, the newest stay.
func (p *proposer) carryShare(s remora.Share) {
	p.shares = append(p.shares, s)
	p.shares = p.shares[max(0, len(p.shares)-remora.MaxHeaderShares):]
}

// proposeHeader makes a header for the round above the highest quorum when it is time to. It never proposes up to a round that
// it proposed for before, nor below a round that has a certificate, which proves a quorum there, nor so far below any
// certificate that nobody would vote for it.
func (c *Core) proposeHeader() {
	p := &c.own
	parents := c.dag.quorum
	round := parents + 1
	switch {
	case c.inquiry.doubt != Trusted:
		return
	case round <= max(p.round, c.floor) || round < c.dag.seen || round+c.config.GCDepth < c.highestTip:
		return
	case !c.dag.hasQuorum(parents):
		return
	}
	if c.clock == 0 || c.clock-p.at < c.headerDelay(round) {
		return
	}
	waited := c.clock - p.entered
	if c.votes.header != nil && c.votes.header.Round == parents && waited < c.config.Pace.HeaderDelay {
		return // the own certificate of this round is likely to come; without it the header's payload has to wait
	}
	if !c.leaderDecided(parents) {
		if waited < c.config.Pace.LeaderTimeout {
			return
		}
		c.out.addEvent(LeaderTimeout{Round: parents})
	}
	c.publishHeader(c.composeHeader(round))
}

// headerDelay is the least time between own headers, before that of a round. Where nothing waits, authorities would pass each
// other for ever if they started at different times: a quorum would be through with a round before it is the turn of
// the others, always the same ones. Whoever sees a correct author ahead joins.
func (c *Core) headerDelay(round remora.Round) int {
	busy := c.own.demand || len(c.own.queue) > 0 || c.dag.payload > 0 || c.clock < c.own.busyUntil
	if busy || c.dag.acceptedStake(round) >= c.config.Committee.Validity() {
		return c.config.Pace.HeaderDelay
	}
	return c.config.Pace.IdleDelay
}

// leaderDecided reports whether round r has what the commit rule hopes for: the certificate of its leader, or the decision
// about the leader below it, one way or the other. The leader of the round above waits for neither: its own header is
// what others wait for.
func (c *Core) leaderDecided(r remora.Round) bool {
	if next, ok := c.config.Leader(r + 1); ok && next == c.config.Self {
		return true
	}
	if leader, ok := c.config.Leader(r); ok && r > 0 {
		if v := c.dag.vertexAt(r, leader); v == nil || !v.isAccepted() {
			return false
		}
	}
	if r < 2 {
		return true
	}
	leader, ok := c.config.Leader(r - 1)
	if v := c.dag.vertexAt(r-1, leader); !ok || v == nil || !v.isAccepted() {
		return true
	}
	var support, against remora.Amount
	for _, child := range c.dag.acceptedIn(r) {
		if _, names := findParent(&child.Header, leader); names {
			support += c.config.Committee.Stake(child.Author())
		} else {
			against += c.config.Committee.Stake(child.Author())
		}
	}
	return support >= c.config.Committee.Validity() || against >= c.threshold
}

// composeHeader fills and signs the header of a round with all that waits.
func (c *Core) composeHeader(round remora.Round) *remora.Header {
	p := &c.own
	if c.votes.header != nil { // overtaken without a certificate
		c.requeuePayload(c.votes.header)
	}
	c.requeuePassedOver()
	batches, shares := min(len(p.queue), remora.MaxHeaderBatches), p.shares
	h := &remora.Header{
		Term:          c.config.Committee.Term,
		Author:        c.config.Self,
		Round:         round,
		CreatedAt:     c.now, // never a peer's: one wrong clock would reach every header, and the median protects no more
		Payload:       slices.Clone(p.queue[:batches]),
		Parents:       slices.Clone(c.dag.parentsFrom(round - 1)),
		Shares:        shares,
		Contributions: p.contribution,
	}
	p.queue = slices.Delete(p.queue, 0, batches)
	p.shares, p.contribution = nil, nil
	h.Signature = c.config.Signer.SignHeader(h.Seal(c.config.Committee.ChainID))
	return h
}

// publishHeader sends a new header. Its record is what keeps a restarted core from making another one for the round.
func (c *Core) publishHeader(h *remora.Header) {
	p := &c.own
	p.header, p.round, p.at, c.progress = h, h.Round, c.clock, c.clock
	p.flight = append(p.flight, h)
	if len(h.Payload) > 0 {
		p.busyUntil = c.clock + c.config.Pace.IdleDelay
	}
	c.out.addRecord(Record{Header: h}, true)
	c.out.addMessage(Outgoing{Broadcast: true, Header: h})
	c.out.addEvent(Proposed{Header: h})
	c.collectVotes(h)
}

// requeuePayload puts what an own header carries in front of the line again. It may be ordered twice then, by the old header
// and by a new one: execution takes a batch once.
func (c *Core) requeuePayload(h *remora.Header) {
	p := &c.own
	p.flight = slices.DeleteFunc(p.flight, func(f *remora.Header) bool { return f == h })
	batches := p.unorderedBatches(h)
	p.queue = slices.Concat(batches, p.queue)
	p.shares = slices.Concat(h.Shares, p.shares)
	p.shares = p.shares[max(0, len(p.shares)-remora.MaxHeaderShares):]
	if len(p.contribution) == 0 {
		p.contribution = h.Contributions
	}
	if len(batches) > 0 {
		c.out.addEvent(Requeued{Round: h.Round, Batches: len(batches)})
	}
}

// unorderedBatches returns the batches of h that are not ordered, without those that are in line or in another header in flight: a
// restart may find two own headers with the same batch, and a header that lists one twice is refused by everybody.
func (p *proposer) unorderedBatches(h *remora.Header) []remora.BatchRef {
	taken := make(map[remora.Hash]bool, len(p.queue))
	for _, ref := range p.queue {
		taken[ref.Digest] = true
	}
	for _, f := range p.flight {
		for _, ref := range f.Payload {
			taken[ref.Digest] = true
		}
	}
	var batches []remora.BatchRef
	for _, ref := range h.Payload {
		if p.known[ref.Digest] && !taken[ref.Digest] {
			taken[ref.Digest] = true
			batches = append(batches, ref)
		}
	}
	return batches
}

// queuesBatchOf reports whether an ordered header carries a batch that is in line here too.
func (p *proposer) queuesBatchOf(h *remora.Header) bool {
	return slices.ContainsFunc(h.Payload, func(ref remora.BatchRef) bool { return p.known[ref.Digest] })
}

// forgetPayload forgets the payload of a header that is ordered: an own one, or one that carries what is in line here too.
func (p *proposer) forgetPayload(h *remora.Header) {
	p.flight = slices.DeleteFunc(p.flight, func(f *remora.Header) bool { return f.Digest() == h.Digest() })
	for _, ref := range h.Payload {
		delete(p.known, ref.Digest)
	}
	p.queue = slices.DeleteFunc(p.queue, func(ref remora.BatchRef) bool { return !p.known[ref.Digest] }) // requeued before
}
