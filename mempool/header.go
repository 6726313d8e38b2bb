package mempool

import (
	"slices"

	"github.com/remora-network/remora"
)

// proposer makes this authority's headers.
type proposer struct {
	header       *remora.Header // the newest
	round        remora.Round   // of the newest header
	at           int            // tick of the newest header
	parents      remora.Round   // highest round with a quorum, on which the next header builds
	entered      int            // tick at which that quorum was complete
	lasted       int            // ticks between that quorum and the one before
	queue        []remora.BatchRef
	known        map[remora.BatchRef]bool             // in queue and in flight
	proofs       map[remora.BatchRef]remora.Signature // of the adopted ones among them
	flight       []*remora.Header                     // unordered own headers, oldest first
	shares       []remora.Share
	contribution []remora.Contribution // at most one
	busyUntil    int                   // tick up to which a peer's payload is expected to be certified
	demand       bool
}

func newProposer(at int) proposer {
	return proposer{at: at, known: make(map[remora.BatchRef]bool), proofs: make(map[remora.BatchRef]remora.Signature)}
}

// enqueueBatch queues a batch of this authority for the next header, unless it is queued or in flight. The worker's
// limit on unexecuted batches bounds the queue.
func (p *proposer) enqueueBatch(ref remora.BatchRef) {
	if p.known[ref] {
		return
	}
	p.known[ref] = true
	p.queue = append(p.queue, ref)
}

// carryShare queues a block share for the next header. Only the newest MaxHeaderShares are kept.
func (p *proposer) carryShare(s remora.Share) {
	p.shares = append(p.shares, s)
	p.shares = p.shares[max(0, len(p.shares)-remora.MaxHeaderShares):]
}

// proposeHeader makes a header for the round above the highest quorum when it is due. It never proposes in a round at or
// below an earlier header or the floor, nor below a round that has a certificate, which proves a quorum there, nor so far
// below a certificate that no peer would vote.
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
		return // this authority's certificate is likely on its way; a header without it as parent delays its payload
	}
	if !c.leaderDecided(parents) {
		if waited < c.config.Pace.LeaderTimeout {
			return
		}
		c.out.addEvent(LeaderTimeout{Round: parents})
	}
	c.publishHeader(c.composeHeader(round))
}

// headerDelay returns the least time between the last own header and that of a round. An idle authority joins at once
// when it sees a correct author ahead. Otherwise authorities that started at different times would stay out of step: the
// same quorum would finish every round before the others propose.
func (c *Core) headerDelay(round remora.Round) int {
	busy := c.own.demand || len(c.own.queue) > 0 || c.dag.payload > 0 || c.clock < c.own.busyUntil
	if busy || c.dag.acceptedStake(round) >= c.config.Committee.Validity() {
		return c.config.Pace.HeaderDelay
	}
	return c.config.Pace.IdleDelay
}

// leaderDecided reports whether round r lets the commit rule progress: it has the certificate of its leader, and the
// leader below it has either support or too much stake against it. The leader of round r+1 does not wait for this,
// because others wait for its header.
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

// composeHeader makes and signs the header of a round with the queued payload, shares and contribution.
func (c *Core) composeHeader(round remora.Round) *remora.Header {
	p := &c.own
	if c.votes.header != nil { // overtaken without a certificate
		c.requeuePayload(c.votes.header)
	}
	c.requeuePassedOver()
	payload, proofs := p.takePayload(c.config.Self)
	h := &remora.Header{
		Term:          c.config.Committee.Term,
		Author:        c.config.Self,
		Round:         round,
		CreatedAt:     c.now, // own clock only: if peers' times were taken over, one wrong clock would spread to all, past the median
		Payload:       payload,
		Proofs:        proofs,
		Parents:       slices.Clone(c.dag.parentsFrom(round - 1)),
		Shares:        p.shares,
		Contributions: p.contribution,
	}
	p.shares, p.contribution = nil, nil
	h.Signature = c.config.Signer.SignHeader(h.Seal(c.config.Committee.Domain))
	return h
}

// takePayload takes the oldest batches out of the queue, as many of its own and of others as a header may list. Others come
// with their authors' signatures.
func (p *proposer) takePayload(self remora.Authority) (payload []remora.BatchRef, proofs []remora.Signature) {
	rest, bytes := p.queue[:0], 0
	for _, ref := range p.queue {
		adopted := ref.Author != self
		if adopted {
			bytes += ref.Charge()
		}
		if len(payload) == remora.MaxHeaderBatches || adopted && (len(proofs) == remora.MaxHeaderAdopted || bytes > maxAdoptedBytes) {
			rest = append(rest, ref)
			continue
		}
		payload = append(payload, ref)
		if adopted {
			proofs = append(proofs, p.proofs[ref])
		}
	}
	p.queue = rest
	return payload, proofs
}

// publishHeader records and sends a new header. The record keeps a restarted core from making another for the round.
func (c *Core) publishHeader(h *remora.Header) {
	p := &c.own
	p.header, p.round, p.at, c.progress = h, h.Round, c.clock, c.clock
	p.flight = append(p.flight, h)
	c.foreign.listAdopted(h)
	if len(h.Payload) > 0 {
		p.busyUntil = c.clock + c.config.Pace.IdleDelay
	}
	c.out.addRecord(Record{Header: h}, true)
	c.out.addMessage(Outgoing{Broadcast: true, Header: h})
	c.out.addEvent(Proposed{Header: h})
	c.collectVotes(h)
}

// requeuePayload puts the batches, shares and contribution of a header of this authority at the front of the queue.
// They may be ordered twice then, but a batch executes once.
func (c *Core) requeuePayload(h *remora.Header) {
	p := &c.own
	p.flight = slices.DeleteFunc(p.flight, func(f *remora.Header) bool { return f == h })
	batches := c.unorderedBatches(h)
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

// unorderedBatches returns the unordered batches of h that are neither queued nor in another header in flight. After a
// restart two own headers may list the same batch, and peers refuse a header that lists one twice. Adopted batches that expired
// are left to their author, who seals them again.
func (c *Core) unorderedBatches(h *remora.Header) []remora.BatchRef {
	p := &c.own
	taken := make(map[remora.BatchRef]bool, len(p.queue))
	for _, ref := range p.queue {
		taken[ref] = true
	}
	for _, f := range p.flight {
		for _, ref := range f.Payload {
			taken[ref] = true
		}
	}
	var batches []remora.BatchRef
	for _, ref := range h.Payload {
		switch {
		case !p.known[ref] || taken[ref]:
		case ref.Author != h.Author && c.hasExpired(ref):
			delete(p.known, ref)
			delete(p.proofs, ref)
		default:
			taken[ref] = true
			batches = append(batches, ref)
		}
	}
	return batches
}

// queuesBatchOf reports whether an ordered header lists a batch that is queued or in flight here.
func (p *proposer) queuesBatchOf(h *remora.Header) bool {
	return slices.ContainsFunc(h.Payload, func(ref remora.BatchRef) bool { return p.known[ref] })
}

// forgetPayload drops the batches of an ordered header from queue and flight.
func (p *proposer) forgetPayload(h *remora.Header) {
	p.flight = slices.DeleteFunc(p.flight, func(f *remora.Header) bool { return f.Digest() == h.Digest() })
	for _, ref := range h.Payload {
		delete(p.known, ref)
		delete(p.proofs, ref)
	}
	p.queue = slices.DeleteFunc(p.queue, func(ref remora.BatchRef) bool { return !p.known[ref] }) // requeued before
}
