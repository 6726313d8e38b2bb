package mempool

import "github.com/remora-network/remora"

// Event is something to log, count or keep as evidence: one of the types in this file. The core does not depend on how
// events are handled.
type Event interface{ isEvent() }

// Proposed is emitted for a new own header.
type Proposed struct{ Header *remora.Header }

// Voted is emitted for the first vote for a peer's header.
type Voted struct{ Header *remora.Header }

// Certified is emitted for a new own certificate.
type Certified struct{ Certificate *remora.Certificate }

// Advanced is emitted when the accepted certificates of a round first hold a quorum.
type Advanced struct{ Round remora.Round }

// LeaderTimeout is emitted when a header is made before the leader of Round, or the support of the leader below it, is
// known.
type LeaderTimeout struct{ Round remora.Round }

// Equivocation is evidence that an author signed two headers of one round. First is nil if a restart kept only the vote
// for it. If Certified, quorums signed both; Second may then be a child that names the conflicting parent.
type Equivocation struct {
	First, Second *remora.Header
	Certified     bool
}

// BadVote is emitted when a voter's signature for this authority's header of a round is invalid.
type BadVote struct {
	Voter remora.Authority
	Round remora.Round
}

// Refused is emitted when a waiting header turns out to be invalid.
type Refused struct {
	Header *remora.Header
	Reason error
}

// Requeued is emitted when a header of this authority was not ordered in time: its batches wait for the next.
type Requeued struct {
	Round   remora.Round
	Batches int
}

// Behind is emitted when authors of a validity stake have certificates more than GCDepth rounds above the local ones, so
// that an honest authority has reached Round. Peers may have dropped the rounds between: the shell syncs blocks and
// builds a new core.
type Behind struct{ Round remora.Round }

// Outdated is emitted for a header of this authority that a peer holds and the snapshot lacks: the disk was restored
// from an older copy. The core continues as with Snapshot.Doubt Lost.
type Outdated struct{ Header *remora.Header }

// Rejoined is emitted when an authority whose record was lost signs again, above Floor.
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
