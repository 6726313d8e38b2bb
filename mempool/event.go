package mempool

import "github.com/remora-network/remora"

// Event is something to log, count or keep as evidence: one of the types of this file. Dropping one harms nothing.
type Event interface{ isEvent() }

// Proposed reports a new own header.
type Proposed struct{ Header *remora.Header }

// Voted reports a first vote for a peer's header.
type Voted struct{ Header *remora.Header }

// Certified reports a new own certificate.
type Certified struct{ Certificate *remora.Certificate }

// Advanced reports that the accepted certificates of a round first hold a quorum.
type Advanced struct{ Round remora.Round }

// LeaderTimeout reports that a header was made without the leader, or without its support decided, in Round.
type LeaderTimeout struct{ Round remora.Round }

// Equivocation is evidence against First's author: two headers of one round, both signed by it. First is nil when a
// restart left only the vote for it. Certified tells that a quorum signed both; Second may then be a child that names
// the conflicting parent.
type Equivocation struct {
	First, Second *remora.Header
	Certified     bool
}

// BadVote reports a voter whose signature over the own header of a round is wrong.
type BadVote struct {
	Voter remora.Authority
	Round remora.Round
}

// Refused reports a header that waited and turned out to be wrong.
type Refused struct {
	Header *remora.Header
	Reason error
}

// Requeued reports that batches of an own header that was not ordered in time wait for the next header again.
type Requeued struct {
	Round   remora.Round
	Batches int
}

// Behind reports that certificates of a validity stake are more than GCDepth rounds above the local ones: Round is
// surely reached by an honest authority. The DAG may be gone there; the shell syncs blocks and builds a new core.
type Behind struct{ Round remora.Round }

// Outdated reports an own header that the snapshot should have known and does not: the disk is an older copy of itself.
// The core goes on as one whose record is lost.
type Outdated struct{ Header *remora.Header }

// Rejoined reports that a lost record is lost no more: the authority signs above Floor from here on.
type Rejoined struct{ Floor remora.Round }

func (Proposed) isEvent()      {}
func (Voted) isEvent()         {}
func (Certified) isEvent()     {}
func (Advanced) isEvent()      {}
func (LeaderTimeout) isEvent() {}
func (Equivocation) isEvent()  {}
func (BadVote) isEvent()       {}
func (Refused) isEvent()       {}
func (Requeued) isEvent()      {}
func (Behind) isEvent()        {}
func (Outdated) isEvent()      {}
func (Rejoined) isEvent()      {}
