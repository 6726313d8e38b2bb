// Package verdict is how the state machine asks about signatures and proofs.
//
// A rule builds a Statement and asks the block's Verifier whether it holds:
//
//	if !v.Holds(verdict.Possession{Public: node.Beacon, Proof: node.BeaconPoP}) {
//		return remora.Reject(remora.CodeBadPossession, "...")
//	}
//
// A verdict is a pure function of the statement. A Verifier may therefore compute it before it is asked, in a batch or on
// another core (exec.Verifier does), and no outcome depends on whether it did.
package verdict

import (
	"slices"

	"github.com/remora-network/remora"
)

// Verifier gives verdicts.
type Verifier interface {
	// Holds reports whether a statement holds. A kind that the verifier does not know never does.
	Holds(s Statement) bool
}

// Statement is a claim about keys and bytes that needs no state to be checked. Each kind of proof has one type.
type Statement interface {
	// Key identifies the statement among those of all kinds.
	Key() remora.Hash
}

// Signed states that Public made an Ed25519 signature over Message, by the rules of ZIP-215.
type Signed struct {
	Public    remora.Address
	Message   remora.Hash
	Signature remora.Signature
}

// Key implements Statement.
func (s Signed) Key() remora.Hash {
	return remora.SumBLAKE3(slices.Concat([]byte{'s'}, s.Public[:], s.Message[:], s.Signature[:]))
}

// Possession states that Public is a valid BLS key whose secret half made Proof.
type Possession struct {
	Public remora.BLSPublicKey
	Proof  remora.BLSSignature
}

// Key implements Statement.
func (s Possession) Key() remora.Hash {
	return remora.SumBLAKE3(slices.Concat([]byte{'p'}, s.Public[:], s.Proof[:]))
}

// BLSSigned states that Public made a BLS signature over Message.
type BLSSigned struct {
	Public    remora.BLSPublicKey
	Message   remora.Hash
	Signature remora.BLSSignature
}

// Key implements Statement.
func (s BLSSigned) Key() remora.Hash {
	return remora.SumBLAKE3(slices.Concat([]byte{'b'}, s.Public[:], s.Message[:], s.Signature[:]))
}

// Aggregate states that Signature is the sum of one BLS signature for each part, by the part's key over its message. It
// holds for one part or more, of which no two have the same message.
type Aggregate struct {
	Parts     []Part
	Signature remora.BLSSignature
}

// Part is one of the signatures in an aggregate.
type Part struct {
	Public  remora.BLSPublicKey
	Message remora.Hash
}

// Key implements Statement.
func (s Aggregate) Key() remora.Hash {
	b := append([]byte{'a'}, s.Signature[:]...)
	for i := range s.Parts {
		b = append(append(b, s.Parts[i].Public[:]...), s.Parts[i].Message[:]...)
	}
	return remora.SumBLAKE3(b)
}
