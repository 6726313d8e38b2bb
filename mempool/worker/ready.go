package worker

import "github.com/remora-network/remora"

// Ready is work for the shell, in the order of its fields. Persist must be durable before the rest begins.
type Ready struct {
	Persist   []remora.Batch    // own batches and peers'
	Stored    []Stored          // peers' batches in Persist, and repeated ones: for the mempool's BatchStored
	Broadcast []remora.Batch    // own batches, to the worker of the same number at every peer
	Resend    []Resend          // own batches, to peers that have not acknowledged them
	Acks      []Ack             // answers to peers
	Certified []remora.BatchRef // own batches that a quorum holds: for the mempool's BatchReady
	Sealed    []Sealed          // own batches, for the answers to waiting clients
	Dropped   [][]byte          // transactions of own batches that expired, which are sealed no more
}

// Stored is a peer's batch whose bytes are durable here.
type Stored struct {
	Ref   remora.BatchRef
	Proof remora.Signature // zero if it came without
}

// Resend is a batch of this authority for one peer.
type Resend struct {
	To    remora.Authority
	Batch remora.Batch
}

// Ack confirms to a peer that its batch is stored here.
type Ack struct {
	To     remora.Authority
	Digest remora.Hash
}

// Sealed describes a batch that was under construction, by the number that Submit returned.
type Sealed struct {
	Seq    uint64
	Digest remora.Hash
	Count  int // transactions
}

func (r *Ready) isEmpty() bool {
	return len(r.Persist) == 0 && len(r.Stored) == 0 && len(r.Broadcast) == 0 && len(r.Resend) == 0 && len(r.Acks) == 0 &&
		len(r.Certified) == 0 && len(r.Sealed) == 0 && len(r.Dropped) == 0
}
