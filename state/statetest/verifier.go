// Package statetest makes chains for tests of the state machine and of what runs it: a genesis with cheap keys, signed
// transactions, sub-DAGs, and a chain in memory that applies them.
package statetest

import (
	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state/verdict"
)

// Verifier accepts the signatures of this package, which are hashes: deterministic, cheap, and wrong for any other message or
// key. It also implements exec.Verdicts.
type Verifier struct{}

// Holds implements verdict.Verifier.
func (*Verifier) Holds(s verdict.Statement) bool {
	switch s := s.(type) {
	case verdict.Signed:
		return s.Signature == Sign(s.Public, s.Message[:])
	case verdict.Possession:
		return s.Proof == Prove(s.Public)
	case verdict.BLSSigned:
		return s.Signature == SignBLS(s.Public, s.Message[:])
	case verdict.Aggregate:
		parts := make([]remora.BLSSignature, len(s.Parts))
		for i, p := range s.Parts {
			parts[i] = SignBLS(p.Public, p.Message[:])
		}
		sum, err := Sum(parts)
		return err == nil && sum == s.Signature
	}
	return false
}

// Prime does nothing: hashes are cheap enough to compute when asked.
func (*Verifier) Prime([][]verdict.Statement) {}

// Forget does nothing, see Prime.
func (*Verifier) Forget() {}

// Sum returns the aggregate of signatures that Verifier accepts: their bytes added without carry.
func Sum(parts []remora.BLSSignature) (sum remora.BLSSignature, err error) {
	for _, p := range parts {
		for i := range sum {
			sum[i] ^= p[i]
		}
	}
	return sum, nil
}

// Sign returns the signature over msg that Verifier accepts from pub.
func Sign(pub remora.Address, msg []byte) remora.Signature {
	var sig remora.Signature
	fillHashes(sig[:], "ed25519", pub[:], msg)
	return sig
}

// SignBLS returns the signature over msg that Verifier accepts from pk.
func SignBLS(pk remora.BLSPublicKey, msg []byte) remora.BLSSignature {
	var sig remora.BLSSignature
	fillHashes(sig[:], "bls", pk[:], msg)
	return sig
}

// Prove returns the proof of possession that Verifier accepts for pk.
func Prove(pk remora.BLSPublicKey) remora.BLSSignature {
	var pop remora.BLSSignature
	fillHashes(pop[:], "possession", pk[:], nil)
	return pop
}

// fillHashes fills dst with hashes of the arguments.
func fillHashes(dst []byte, tag string, key, msg []byte) {
	for i := byte(0); len(dst) > 0; i++ {
		h := remora.SumBLAKE3(append(append(append([]byte(tag), i), key...), msg...))
		dst = dst[copy(dst, h[:]):]
	}
}
