package validator

import (
	"sync/atomic"
	"time"

	"github.com/remora-network/remora"
)

// Progress holds rounds that one loop sets and another reads. The primary sets the round, the engine the certified
// leader.
type Progress struct {
	round     atomic.Uint64 // of the DAG, that the primary works on
	certified atomic.Uint64 // of the newest leader whose block is certified
	starving  atomic.Int64  // how long an own batch has waited for a quorum to acknowledge it
}

// starvedFor is the wait for acknowledgements after which clients should go elsewhere.
const starvedFor = 3 * time.Second

// Starve sets how long the oldest own batch without a quorum has waited for it. Only the batcher calls it.
func (p *Progress) Starve(wait time.Duration) { p.starving.Store(int64(wait)) }

// Starving returns that wait where it is so long that clients should go elsewhere, else 0.
func (p *Progress) Starving() time.Duration {
	if wait := time.Duration(p.starving.Load()); wait >= starvedFor {
		return wait
	}
	return 0
}

// EnterRound sets the round. Only the primary calls it.
func (p *Progress) EnterRound(r remora.Round) { p.round.Store(uint64(r)) }

// HeldRound returns the round up to which no ancestors are asked for.
func (p *Progress) HeldRound() remora.Round { return HeldBelow(remora.Round(p.round.Load())) }

// CertifyLeader takes the round of a leader whose block is certified. Only the engine calls it.
func (p *Progress) CertifyLeader(r remora.Round) {
	p.certified.Store(max(p.certified.Load(), uint64(r)))
}

// CertifiedLeader returns the round of the newest leader whose block is certified.
func (p *Progress) CertifiedLeader() remora.Round { return remora.Round(p.certified.Load()) }

// HeldBelow returns the round up to which a validator that works on a round has what it needs of the DAG: it asks for no
// ancestors at or below it.
func HeldBelow(round remora.Round) remora.Round { return round - min(round, 3) }

// Retention decides when certificates that ordering has passed may be deleted: after a time for peers to fetch them, and not
// before their blocks are certified. Until then a restart needs them, and so does a peer, because block sync ends at the
// newest certified block.
type Retention struct {
	Served time.Duration // how long certificates stay servable after ordering has passed them
	passed []passedRound // ascending
}

// passedRound is a leader that was ordered.
type passedRound struct {
	leader, gc remora.Round // its round, and the round up to which nothing more is ordered
	at         time.Time
}

// PassLeader notes that a leader was ordered, after which nothing up to gc can be ordered.
func (r *Retention) PassLeader(leader, gc remora.Round, now time.Time) {
	r.passed = append(r.passed, passedRound{leader: leader, gc: gc, at: now})
}

// TakeDue returns the round up to which certificates may be deleted now, once; 0 if there is nothing to delete. certified
// is the round of the newest leader whose block is certified.
func (r *Retention) TakeDue(now time.Time, certified remora.Round) remora.Round {
	n := 0
	for n < len(r.passed) && now.Sub(r.passed[n].at) >= r.Served && r.passed[n].leader <= certified {
		n++
	}
	if n == 0 {
		return 0
	}
	gc := r.passed[n-1].gc
	r.passed = append([]passedRound(nil), r.passed[n:]...)
	return gc
}
