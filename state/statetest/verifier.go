// Package statetest makes chains for tests of the state machine and of what runs it: a genesis with cheap keys, signed
// transactions, sub-DAGs, and a chain in memory that applies them.
package statetest

import (
	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state"
)

// Verifier accepts the signatures of this package, which are hashes: deterministic, cheap, and wrong for any other
// message or key.
type Verifier struct{}

// Signature implements state.Verifier.
func (*Verifier) Signature(pub remora.Address, msg []byte, sig remora.Signature) bool {
	return sig == Sign(pub, msg)
}

// Possession implements state.Verifier.
func (*Verifier) Possession(pk remora.BLSPublicKey, pop remora.BLSSignature) bool {
	return pop == Prove(pk)
}

// BLS implements state.Verifier.
func (*Verifier) BLS(pk remora.BLSPublicKey, msg []byte, sig remora.BLSSignature) bool {
	return sig == SignBLS(pk, msg)
}

// Aggregate implements state.Verifier.
func (*Verifier) Aggregate(keys []remora.BLSPublicKey, messages []remora.Hash, sig remora.BLSSignature) bool {
	parts := make([]remora.BLSSignature, len(keys))
	for i := range keys {
		parts[i] = SignBLS(keys[i], messages[i][:])
	}
	sum, err := Sum(parts)
	return err == nil && sum == sig
}

// Prime does nothing: it is for shells that verify ahead, and there is nothing to gain from that here.
func (*Verifier) Prime([]state.Statement) {}

// PrimeBLS does nothing, see Prime.
func (*Verifier) PrimeBLS([]state.BLSStatement) {}

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
	fill(sig[:], "ed25519", pub[:], msg)
	return sig
}

// SignBLS returns the signature over msg that Verifier accepts from pk.
func SignBLS(pk remora.BLSPublicKey, msg []byte) remora.BLSSignature {
	var sig remora.BLSSignature
	fill(sig[:], "bls", pk[:], msg)
	return sig
}

// Prove returns the proof of possession that Verifier accepts for pk.
func Prove(pk remora.BLSPublicKey) remora.BLSSignature {
	var pop remora.BLSSignature
	fill(pop[:], "possession", pk[:], nil)
	return pop
}

// fill writes as many hashes of the arguments into dst as fit.
func fill(dst []byte, tag string, key, msg []byte) {
	for i := byte(0); len(dst) > 0; i++ {
		h := remora.SumBLAKE3(append(append(append([]byte(tag), i), key...), msg...))
		dst = dst[copy(dst, h[:]):]
	}
}
