package worker

import "github.com/remora-network/remora"

// Ready is work for the shell, in this order: nothing of a later field may happen before all of Persist is durable.
type Ready struct {
	Persist   []remora.Batch    // own and peers'
	Stored    []Stored          // of Persist, and duplicates that came again: for the mempool's BatchStored
	Broadcast []remora.Batch    // own, to the worker of the same number at every peer
	Resend    []Resend          // own, to peers that were silent
	Acks      []Ack             // answers to peers
	Certified []remora.BatchRef // own batches that a quorum holds: for the mempool's BatchReady
	Sealed    []Sealed          // own: answers to waiting clients
}

// Stored is a peer's batch whose bytes are durable here.
type Stored struct {
	Author remora.Authority
	Ref    remora.BatchRef
}

// Resend is an own batch for one peer.
type Resend struct {
	To    remora.Authority
	Batch remora.Batch
}

// Ack tells a batch's author that it is stored here.
type Ack struct {
	To     remora.Authority
	Digest remora.Hash
}

// Sealed tells what became of a batch under construction, named by the number that Submit returned.
type Sealed struct {
	Seq    uint64
	Digest remora.Hash
	Count  int // transactions
}

func (r *Ready) isEmpty() bool {
	return len(r.Persist) == 0 && len(r.Stored) == 0 && len(r.Broadcast) == 0 && len(r.Resend) == 0 && len(r.Acks) == 0 &&
		len(r.Certified) == 0 && len(r.Sealed) == 0
}
