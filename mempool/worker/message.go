package worker

import "github.com/remora-network/remora"

// Message is an input of the core: one of the types in this file.
type Message interface{ isMessage() }

// Acked confirms that a peer stored a batch of this authority. The transport authenticates From.
type Acked struct {
	From   remora.Authority
	Digest remora.Hash
}

// PeerBatch carries another authority's batch, parsed and hashed, with its author's verified signature over
// remora.BatchMessage. It counts against what From may send.
type PeerBatch struct {
	From  remora.Authority
	Batch remora.Batch
	Proof remora.Signature
}

// FetchedBatch carries a batch that a header lists, parsed and hashed, from whichever peer it was fetched. It counts against
// what Lister may list, whoever made it: a batch's author must not pay for what another lists.
type FetchedBatch struct {
	Lister remora.Authority // author of the header
	Round  remora.Round     // of the header
	Batch  remora.Batch
}

// BlockExecuted says what a block did, own batches and peers', after its effects are durable.
type BlockExecuted struct {
	Listed   []remora.BatchRef // by its headers
	Accepted []remora.BatchRef
	Executed []remora.Hash
}

// RoundsCollected says that no header up to a round can be ordered any more.
type RoundsCollected struct{ Round remora.Round }

// EpochChanged starts an epoch of execution, after BlockExecuted of all blocks before it. Own batches that expired are sealed
// again.
type EpochChanged struct{ Epoch remora.Epoch }

// EpochOrdered carries the epoch of the block after the newest ordered one, in which new batches are sealed. At a slow
// authority it may be far ahead of the epoch of execution, and batches sealed in the latter would expire before they are
// ordered. Only EpochChanged expires batches.
type EpochOrdered struct{ Epoch remora.Epoch }

// Restored carries a batch that this authority made in an earlier run: durable and not executed.
type Restored struct {
	Batch    remora.Batch
	Accepted bool // it waits in the state for execution
}

func (Acked) isMessage()           {}
func (PeerBatch) isMessage()       {}
func (FetchedBatch) isMessage()    {}
func (BlockExecuted) isMessage()   {}
func (RoundsCollected) isMessage() {}
func (EpochChanged) isMessage()    {}
func (EpochOrdered) isMessage()    {}
func (Restored) isMessage()        {}
