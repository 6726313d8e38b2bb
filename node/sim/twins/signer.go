package twins

import "github.com/remora-network/remora"

// signer signs nothing: who sent a message is known here, and nobody forges.
type signer struct{}

// SignHeader returns no signature: nobody verifies one.
func (signer) SignHeader(remora.Hash) remora.Signature { return remora.Signature{} }

// SignVote returns no signature: the network vouches for the voter.
func (signer) SignVote(remora.Hash) remora.BLSSignature { return remora.BLSSignature{} }

// Aggregate counts the voters.
func (signer) Aggregate(_ remora.Hash, votes []remora.Vote) (remora.BLSSignature, remora.Bitmap, []remora.Authority) {
	signers := remora.NewBitmap(members)
	for _, v := range votes {
		signers.Add(v.Voter)
	}
	return remora.BLSSignature{}, signers, nil
}
