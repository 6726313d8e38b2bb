package trust

import (
	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/bls"
	"github.com/remora-network/remora/crypto/ed25519"
)

// Signer signs in the DAG for a member of a committee. It implements mempool.Signer.
type Signer struct {
	Committee *Committee
	Consensus *bls.SecretKey
	Headers   *ed25519.PrivateKey
}

// SignHeader implements mempool.Signer.
func (s *Signer) SignHeader(digest remora.Hash) remora.Signature { return s.Headers.Sign(digest[:]) }

// SignVote implements mempool.Signer.
func (s *Signer) SignVote(message remora.Hash) remora.BLSSignature {
	return s.Consensus.Sign(message[:])
}

// Aggregate implements mempool.Signer.
func (s *Signer) Aggregate(message remora.Hash, votes []remora.Vote) (remora.BLSSignature, remora.Bitmap, []remora.Authority) {
	by, sigs := make([]remora.Authority, len(votes)), make([]remora.BLSSignature, len(votes))
	for i, v := range votes {
		by[i], sigs[i] = v.Voter, v.Signature
	}
	return s.Committee.Aggregate(message, by, sigs)
}
