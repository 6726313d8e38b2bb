package worker

import "github.com/remora-network/remora"

// Message is an input of the core: one of the types of this file.
type Message interface{ isMessage() }

// Acked says that a peer stored an own batch. The transport vouches for From.
type Acked struct {
	From   remora.Authority
	Digest remora.Hash
}

// PeerBatch brings another authority's batch, parsed and hashed. From is who answers for it: its sender, or with Fetched
// the author of the header that lists it, whoever it was fetched from.
type PeerBatch struct {
	From    remora.Authority
	Batch   remora.Batch
	Fetched bool
}

// Executed names batches, own or not, that a block executed.
type Executed struct{ Digests []remora.Hash }

// EpochChanged starts an epoch, after Executed of all blocks before it: own batches that can no longer execute are sealed
// anew.
type EpochChanged struct{ Epoch remora.Epoch }

// EpochOrdered tells the epoch of the block after the newest one that is ordered, which may be far ahead of the executed
// one at an authority that is slow. New batches are sealed in it: they would have expired before they are ordered
// otherwise. Which ones have expired is for execution to say.
type EpochOrdered struct{ Epoch remora.Epoch }

// Restored brings back an own batch at start: durable, and not executed.
type Restored struct{ Batch remora.Batch }

func (Acked) isMessage()        {}
func (PeerBatch) isMessage()    {}
func (Executed) isMessage()     {}
func (EpochChanged) isMessage() {}
func (EpochOrdered) isMessage() {}
func (Restored) isMessage()     {}
