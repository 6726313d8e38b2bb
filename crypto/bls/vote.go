package bls

import (
	"cmp"
	"fmt"
	"slices"

	blst "github.com/supranational/blst/bindings/go"

	"github.com/remora-network/remora"
)

// Vote is one signer's signature over the message of a vote.
type Vote struct {
	Signer    int // index in the keyring
	Signature remora.BLSSignature
}

// decodedVote is a vote whose signature is a point on the curve; its subgroup is not checked yet.
type decodedVote struct {
	signer int
	point  *blst.P1Affine
}

// AggregateVerified sums votes for msg and verifies the sum once. Only if that fails does it verify each vote alone, leave
// the bad ones out and return their signers in bad. The votes may come in any order; signers and bad are sorted.
//
// Votes that are invalid one by one but valid in sum are accepted: the aggregate proves that the holders of all these keys
// signed. So a vote is evidence against its signer only if it was verified alone.
//
// The error is not nil if there is no aggregate: a signer is unknown or listed twice (nothing is verified then), or no
// vote is good.
func AggregateVerified(ring *Keyring, votes []Vote, msg []byte) (
	sig remora.BLSSignature, signers, bad []int, err error,
) {
	sorted := slices.SortedFunc(slices.Values(votes), func(a, b Vote) int { return cmp.Compare(a.Signer, b.Signer) })
	if err := ring.checkSigners(signersOf(sorted)); err != nil {
		return sig, nil, nil, err
	}
	good := make([]decodedVote, 0, len(sorted))
	for _, v := range sorted {
		point, err := decodeSignature(v.Signature)
		if err != nil {
			bad = append(bad, v.Signer)
			continue
		}
		good = append(good, decodedVote{signer: v.Signer, point: point})
	}
	sig, signers, ok := aggregateVotes(ring, good, msg)
	if ok {
		return sig, signers, bad, nil
	}
	good = slices.DeleteFunc(good, func(v decodedVote) bool {
		ok := v.point.InG1() && verifyPoint(&ring.keys[v.signer], v.point, msg, signatureTag)
		if !ok {
			bad = append(bad, v.signer)
		}
		return !ok
	})
	slices.Sort(bad)
	sig, signers, ok = aggregateVotes(ring, good, msg)
	if !ok {
		return remora.BLSSignature{}, nil, bad, fmt.Errorf("aggregate of %d good votes: %w", len(good), ErrSignature)
	}
	return sig, signers, bad, nil
}

func signersOf(votes []Vote) []int {
	signers := make([]int, len(votes))
	for i, v := range votes {
		signers[i] = v.Signer
	}
	return signers
}

// aggregateVotes sums the votes and checks the sum: its subgroup once, its signature once.
func aggregateVotes(ring *Keyring, votes []decodedVote, msg []byte) (sig remora.BLSSignature, signers []int, ok bool) {
	if len(votes) == 0 {
		return sig, nil, false
	}
	var sum blst.P1
	signers = make([]int, len(votes))
	for i, v := range votes {
		signers[i] = v.signer
		sum.AddAssign(v.point)
	}
	key, err := ring.sumKeys(signers)
	if err != nil {
		return sig, nil, false
	}
	point := sum.ToAffine()
	sig, err = compressSum(point)
	if err != nil || !point.InG1() || !verifyPoint(key, point, msg, signatureTag) {
		return remora.BLSSignature{}, nil, false
	}
	return sig, signers, true
}
