package mempool

import "github.com/remora-network/remora"

// Message is an input of the core: one of the types of this file, decoded and authenticated by the shell.
type Message interface{ isMessage() }

// HeaderReceived brings a peer's header, from its author or relayed. The shell has verified its Ed25519 signature.
type HeaderReceived struct{ Header *remora.Header }

// VoteReceived brings a vote for an own header. The transport vouches for Vote.Voter; the BLS signature is unverified.
type VoteReceived struct{ Vote remora.Vote }

// CertificateReceived brings a certificate whose aggregate the shell has verified, or which a verified child names.
type CertificateReceived struct{ Certificate *remora.Certificate }

// BatchStored says that the bytes of a batch are durable here: the answer to a Want, or news of a peer's batch. Author
// and Ref come from the bytes, not from the header that names them.
type BatchStored struct {
	Author remora.Authority
	Ref    remora.BatchRef
}

// BatchReady hands over an own batch that a quorum holds, for one of the next headers.
type BatchReady struct{ Ref remora.BatchRef }

// Ordered reports what consensus committed, oldest first, each sub-DAG once.
type Ordered struct{ SubDAGs []remora.SubDAG }

// ShareMade hands over an own block share for the next header.
type ShareMade struct{ Share remora.Share }

// ContributionMade hands over an own beacon contribution for the next header. A newer one replaces it.
type ContributionMade struct{ Contribution remora.Contribution }

// Demand keeps the fast pace while the newest block with transactions lacks its certificate.
type Demand struct{ Uncertified bool }

// TipReceived answers a Want for a tip: the certificate of the highest round that From holds, verified; nil when it
// holds none. The newest certificate of this authority that From holds goes ahead of it as a CertificateReceived: it
// tells whether the disk has forgotten anything.
type TipReceived struct {
	From        remora.Authority
	Certificate *remora.Certificate
}

func (HeaderReceived) isMessage()      {}
func (VoteReceived) isMessage()        {}
func (CertificateReceived) isMessage() {}
func (BatchStored) isMessage()         {}
func (BatchReady) isMessage()          {}
func (Ordered) isMessage()             {}
func (ShareMade) isMessage()           {}
func (ContributionMade) isMessage()    {}
func (Demand) isMessage()              {}
func (TipReceived) isMessage()         {}
