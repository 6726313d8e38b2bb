package mempooltest

import (
	"encoding/binary"

	"github.com/remora-network/remora"
)

// Signer is fake cryptography for tests: a signature is a hash over the signer's number, an aggregate the exclusive or of
// signatures. Anyone can forge one.
type Signer struct {
	Committee *remora.Committee
	Self      remora.Authority
}

// SignHeader signs a header's digest.
func (s Signer) SignHeader(digest remora.Hash) remora.Signature {
	var sig remora.Signature
	fillSignature(sig[:], "header", s.Self, digest)
	return sig
}

// SignVote signs a vote's message.
func (s Signer) SignVote(message remora.Hash) remora.BLSSignature { return SignVote(s.Self, message) }

// Aggregate combines the votes with valid signatures and returns the voters of the others as bad.
func (s Signer) Aggregate(message remora.Hash, votes []remora.Vote) (sig remora.BLSSignature, signers remora.Bitmap, bad []remora.Authority) {
	signers = remora.NewBitmap(s.Committee.Size())
	for _, v := range votes {
		if v.Signature != SignVote(v.Voter, message) {
			bad = append(bad, v.Voter)
			continue
		}
		signers.Add(v.Voter)
		combineSignatures(&sig, v.Signature)
	}
	return sig, signers, bad
}

// SignVote returns the signature of any authority over a vote's message.
func SignVote(a remora.Authority, message remora.Hash) remora.BLSSignature {
	var sig remora.BLSSignature
	fillSignature(sig[:], "vote", a, message)
	return sig
}

// VerifyHeader reports whether a header's signature is its author's.
func VerifyHeader(h *remora.Header) bool {
	return h.Signature == Signer{Self: h.Author}.SignHeader(h.Digest())
}

// VerifyCertificate reports whether a certificate's structure and signature are right.
func VerifyCertificate(committee *remora.Committee, c *remora.Certificate) bool {
	if c.Check(committee) != nil {
		return false
	}
	message := remora.VoteMessage(committee.Domain, &c.Header)
	var sig remora.BLSSignature
	for a := range c.Signers.Members() {
		combineSignatures(&sig, SignVote(a, message))
	}
	return sig == c.Signature
}

func combineSignatures(sum *remora.BLSSignature, sig remora.BLSSignature) {
	for i := range sum {
		sum[i] ^= sig[i]
	}
}

// fillSignature expands a hash of the arguments over sig.
func fillSignature(sig []byte, kind string, a remora.Authority, message remora.Hash) {
	seed := binary.BigEndian.AppendUint16([]byte(kind), uint16(a))
	block := remora.SumBLAKE3(append(seed, message[:]...))
	for len(sig) > 0 {
		sig = sig[copy(sig, block[:]):]
		block = remora.SumBLAKE3(block[:])
	}
}
