package mempool

import (
	"cmp"
	"fmt"

	"github.com/remora-network/remora"
)

// Signer is the cryptography of an authority: pure functions of their arguments and the authority's keys.
type Signer interface {
	SignHeader(digest remora.Hash) remora.Signature
	// SignVote is deterministic: a message has one signature.
	SignVote(message remora.Hash) remora.BLSSignature
	// Aggregate verifies the votes for one message together, and one by one if that fails. It returns the aggregate of
	// the good votes, their signers, and the voters of the bad ones.
	Aggregate(message remora.Hash, votes []remora.Vote) (sig remora.BLSSignature, signers remora.Bitmap, bad []remora.Authority)
}

// Config holds the constants of a core.
type Config struct {
	Committee *remora.Committee
	Self      remora.Authority
	Origin    remora.Hash  // base of round 1, see remora.GenesisParents
	GCDepth   remora.Round // rounds below a leader that it still orders; a constant of the chain
	// Leader returns the leader of a round; ok is false if the round has none.
	Leader func(remora.Round) (leader remora.Authority, ok bool)
	Pace   Pace
	Signer Signer
}

// Pace sets the delays in ticks. Zero means the default.
type Pace struct {
	HeaderDelay   int // least time between own headers while payload waits to be ordered; default 4
	IdleDelay     int // least time between own headers otherwise; default 100
	LeaderTimeout int // longest wait for a leader or its support after a quorum of parents; default 20
	Resend        int // silence after which the newest own header and certificate are sent again; default 100
	Adopt         int // age at which a peer's unordered batch is proposed by its author's successor; default 200
	Listen        int // longest wait for answers if Snapshot.Doubt is Listening; default 400, negative: none
}

// withDefaults replaces zero fields by their defaults.
func (p Pace) withDefaults() Pace {
	return Pace{
		HeaderDelay:   cmp.Or(p.HeaderDelay, 4),
		IdleDelay:     cmp.Or(p.IdleDelay, 100),
		LeaderTimeout: cmp.Or(p.LeaderTimeout, 20),
		Resend:        cmp.Or(p.Resend, 100),
		Adopt:         cmp.Or(p.Adopt, 200),
		Listen:        cmp.Or(p.Listen, 400),
	}
}

func (c *Config) checkFields() error {
	switch {
	case c.Committee == nil || c.Leader == nil || c.Signer == nil:
		return fmt.Errorf("mempool: %w: a core needs a committee, a leader schedule and a signer", remora.ErrInvalid)
	case !c.Committee.Has(c.Self):
		return fmt.Errorf("mempool: %w: authority %d is not in the committee of %d", remora.ErrInvalid, c.Self, c.Committee.Size())
	case c.GCDepth < 2:
		return fmt.Errorf("mempool: %w: GC depth %d, want at least 2", remora.ErrInvalid, c.GCDepth)
	}
	return nil
}

// Snapshot is the state from which a core starts. The zero value is a fresh term.
type Snapshot struct {
	Committed    remora.Round          // round of the last committed leader
	Certificates []*remora.Certificate // accepted ones, in any order; those at or below the GC round are skipped
	Proposed     *remora.Header        // last own header
	Votes        []remora.Vote         // own; the newest per author counts
	Payload      []remora.BatchRef     // own batches that a quorum holds and no block has executed
	// Floor is the newest Record.Floor: the core neither proposes nor votes at or below this round.
	Floor remora.Round
	Doubt Doubt
	// Quiet is the number of ticks before the first Behind event. It gives a core that follows a fruitless block sync
	// time to catch up through the DAG.
	Quiet int
}
