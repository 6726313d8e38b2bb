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
// remora.BatchMessage unless it was fetched. It counts against the quota of From: the sender or, if
// Fetched, the author of the header that lists it, from whichever peer it was fetched.
type PeerBatch struct {
	From    remora.Authority
	Batch   remora.Batch
	Proof   remora.Signature
	Fetched bool
}

// Executed lists the batches, own or peers', that a block executed.
type Executed struct{ Digests []remora.Hash }

// EpochChanged starts an epoch of execution, after Executed of all blocks before it. Own batches that expired are sealed
// again.
type EpochChanged struct{ Epoch remora.Epoch }

// EpochOrdered carries the epoch of the block after the newest ordered one, in which new batches are sealed. At a slow
// authority it may be far ahead of the epoch of execution, and batches sealed in the latter would expire before they are
// ordered. Only EpochChanged expires batches.
type EpochOrdered struct{ Epoch remora.Epoch }

// Restored carries a batch that this authority made in an earlier run: durable and not executed.
type Restored struct{ Batch remora.Batch }

func (Acked) isMessage()        {}
func (PeerBatch) isMessage()    {}
func (Executed) isMessage()     {}
func (EpochChanged) isMessage() {}
func (EpochOrdered) isMessage() {}
func (Restored) isMessage()     {}
