package mempool

import "github.com/remora-network/remora"

// Message is an input of the core: one of the types in this file, decoded and authenticated by the shell.
type Message interface{ isMessage() }

// HeaderReceived carries a peer's header, from its author or relayed. The shell has verified its Ed25519 signature.
type HeaderReceived struct{ Header *remora.Header }

// VoteReceived carries a vote for this authority's header. The transport authenticates Vote.Voter; the BLS signature is
// unverified.
type VoteReceived struct{ Vote remora.Vote }

// CertificateReceived carries a certificate whose aggregate the shell has verified, or whose digest a verified child
// names.
type CertificateReceived struct{ Certificate *remora.Certificate }

// BatchStored confirms that the bytes of a batch are durable here, in answer to a Want or because its author sent them. Ref
// comes from the bytes, not from a header that names them. Proof is the author's verified signature over
// remora.BatchMessage, zero if the bytes came without: then the batch cannot be adopted.
type BatchStored struct {
	Ref   remora.BatchRef
	Proof remora.Signature
}

// BatchesHeld answers a Want to know who holds batches: From has those named durably.
type BatchesHeld struct {
	From    remora.Authority
	Digests []remora.Hash
}

// EpochOrdered carries the epoch of the block after the newest ordered one. A batch that is two epochs older can not be accepted
// any more: no vote waits for its bytes.
type EpochOrdered struct{ Epoch remora.Epoch }

// BatchReady adds a batch of this authority that a quorum holds to the payload of the next headers.
type BatchReady struct{ Ref remora.BatchRef }

// Ordered carries the sub-DAGs that consensus committed, oldest first, each once.
type Ordered struct{ SubDAGs []remora.SubDAG }

// ShareMade adds a block share of this authority to the next header.
type ShareMade struct{ Share remora.Share }

// ContributionMade adds this authority's beacon contribution to the next header, in place of an older one.
type ContributionMade struct{ Contribution remora.Contribution }

// Demand keeps up the fast pace while the newest block with transactions lacks its certificate.
type Demand struct{ Uncertified bool }

// TipReceived answers a Want for a tip with the verified certificate of the highest round that From holds, nil if it
// holds none. The shell first passes the newest certificate of this authority that From holds, as a
// CertificateReceived: it shows whether the disk has lost a header.
type TipReceived struct {
	From        remora.Authority
	Certificate *remora.Certificate
}

func (HeaderReceived) isMessage()      {}
func (VoteReceived) isMessage()        {}
func (CertificateReceived) isMessage() {}
func (BatchStored) isMessage()         {}
func (BatchesHeld) isMessage()         {}
func (EpochOrdered) isMessage()        {}
func (BatchReady) isMessage()          {}
func (Ordered) isMessage()             {}
func (ShareMade) isMessage()           {}
func (ContributionMade) isMessage()    {}
func (Demand) isMessage()              {}
func (TipReceived) isMessage()         {}
