package sim

import (
	"errors"
	"slices"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/mempool/mempooltest"
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/node/trust"
	"github.com/remora-network/remora/node/validator"
	"github.com/remora-network/remora/state/statetest"
)

// errForged says that an aggregate is not that of its signers.
var errForged = errors.New("forged aggregate")

// fakeScheme implements trust.Scheme with hashes.
type fakeScheme struct{ committee *remora.Committee }

// VerifyDigest implements trust.Scheme.
func (f fakeScheme) VerifyDigest(author remora.Authority, digest remora.Hash, sig remora.Signature) bool {
	return sig == mempooltest.Signer{Self: author}.SignHeader(digest)
}

// VerifyAggregates implements trust.Scheme.
func (f fakeScheme) VerifyAggregates(items []trust.Aggregate) []error {
	errs := make([]error, len(items))
	for i, item := range items {
		var votes []remora.Vote
		for a := range item.Signers.Members() {
			votes = append(votes, remora.Vote{Voter: a, Signature: mempooltest.SignVote(a, item.Message)})
		}
		if sum, _, _ := (mempooltest.Signer{Committee: f.committee}).Aggregate(item.Message, votes); sum != item.Signature {
			errs[i] = errForged
		}
	}
	return errs
}

// HoldTogether implements trust.Scheme.
func (f fakeScheme) HoldTogether(items []trust.Aggregate) bool {
	return !slices.ContainsFunc(f.VerifyAggregates(items), func(err error) bool { return err != nil })
}

// Aggregate implements trust.Scheme.
func (f fakeScheme) Aggregate(message remora.Hash, by []remora.Authority, sigs []remora.BLSSignature) (
	remora.BLSSignature, remora.Bitmap, []remora.Authority,
) {
	votes := make([]remora.Vote, len(by))
	for i, a := range by {
		votes[i] = remora.Vote{Voter: a, Signature: sigs[i]}
	}
	return mempooltest.Signer{Committee: f.committee}.Aggregate(message, votes)
}

// fake signs with hashes.
type fake struct{ committee *remora.Committee }

func (f fake) signerOf(a remora.Authority) mempool.Signer {
	return mempooltest.Signer{Committee: f.committee, Self: a}
}

func (f fake) blockSignerOf(a remora.Authority) validator.BlockSigner {
	return fakeBlockSigner{f.committee, a}
}

func (f fake) newVerdicts() exec.Verdicts { return new(statetest.Verifier) }

// fakeBlockSigner implements validator.BlockSigner.
type fakeBlockSigner struct {
	committee *remora.Committee
	self      remora.Authority
}

// SignShare implements validator.BlockSigner.
func (f fakeBlockSigner) SignShare(h *remora.BlockHeader) remora.Share {
	hash := h.Hash()
	return remora.Share{Height: h.Height, Hash: hash, Signature: mempooltest.SignVote(f.self, remora.BlockMessage(f.committee.Domain, h.Height, hash))}
}

// SignContribution implements validator.BlockSigner.
func (f fakeBlockSigner) SignContribution(after remora.Seed) remora.Contribution {
	message := remora.BeaconMessage(f.committee.Domain, after.Step+1, after.Hash)
	return remora.Contribution{Step: after.Step + 1, Signature: statetest.SignBLS(f.committee.Members[f.self].Beacon, message[:])}
}
