package mempool

import (
	"fmt"

	"github.com/remora-network/remora"
)

// Signer is the cryptography that the core needs: functions of their arguments and the authority's keys.
type Signer interface {
	SignHeader(digest remora.Hash) remora.Signature
	// SignVote is deterministic: one message has one signature.
	SignVote(message remora.Hash) remora.BLSSignature
	// Aggregate checks the votes over one message as one aggregate, one by one on failure. It aggregates the good ones
	// and names the voters of the bad ones.
	Aggregate(message remora.Hash, votes []remora.Vote) (sig remora.BLSSignature, signers remora.Bitmap, bad []remora.Authority)
}

// Config is what a core is for its lifetime.
type Config struct {
	Committee *remora.Committee
	Self      remora.Authority
	Origin    remora.Hash  // what round 1 builds on, see remora.GenesisParents
	GCDepth   remora.Round // rounds below a leader that it still orders; the chain's constant
	// Leader returns the leader of a round; ok is false in a round without one.
	Leader func(remora.Round) (leader remora.Authority, ok bool)
	Pace   Pace
	Signer Signer
}

// Pace sets the delays in ticks. A zero field has the default.
type Pace struct {
	HeaderDelay   int // least time between own headers while anything waits to be ordered; default 4
	IdleDelay     int // the same when nothing does; default 100
	LeaderTimeout int // longest wait for a leader, or for its support, after a quorum of parents; default 20
	Resend        int // silence after which the newest own header and certificate are sent again; default 100
	Adopt         int // age at which a peer's batch that is not ordered is proposed by its author's successor; default 200
	Listen        int // longest wait for others' answers when the snapshot says Listening; default 400, none when negative
}

// withDefaults fills the fields that are not set.
func (p Pace) withDefaults() Pace {
	set := func(field *int, ticks int) {
		if *field == 0 {
			*field = ticks
		}
	}
	set(&p.HeaderDelay, 4)
	set(&p.IdleDelay, 100)
	set(&p.LeaderTimeout, 20)
	set(&p.Resend, 100)
	set(&p.Adopt, 200)
	set(&p.Listen, 400)
	return p
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

// Snapshot is what a core starts from. The zero value is a fresh term.
type Snapshot struct {
	Committed    remora.Round          // round of the last committed leader
	Certificates []*remora.Certificate // accepted ones, in any order; those at or below the GC round are skipped
	Proposed     *remora.Header        // last own header
	Votes        []remora.Vote         // own; the newest per author counts
	Payload      []remora.BatchRef     // own batches that a quorum holds and no block has executed
	// Floor is a round at or below which the core neither proposes nor votes: the newest Record.Floor.
	Floor remora.Round
	Doubt Doubt
	// Quiet is how many ticks pass before Behind is reported: time to follow the DAG for a core that is built after block
	// sync brought nothing new.
	Quiet int
}
