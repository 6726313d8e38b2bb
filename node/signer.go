package node

import (
	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/bls"
	"github.com/remora-network/remora/crypto/ed25519"
	"github.com/remora-network/remora/node/trust"
)

// Keys are the secrets of a node.
type Keys struct {
	Account   *ed25519.PrivateKey // signs the node's own transactions
	Consensus *bls.SecretKey
	Beacon    *bls.SecretKey
	Header    *ed25519.PrivateKey
	Network   [32]byte // Ed25519 seed of the libp2p identity
}

// authority signs for one member of a committee.
type authority struct {
	committee *trust.Committee
	self      remora.Authority
	keys      *Keys
}

// signer signs in the DAG.
func (a *authority) signer() *trust.Signer {
	return &trust.Signer{Committee: a.committee, Consensus: a.keys.Consensus, Headers: a.keys.Header}
}

// signShare signs an executed block.
func (a *authority) signShare(h *remora.BlockHeader) remora.Share {
	hash := h.Hash()
	message := remora.BlockMessage(a.committee.ChainID, h.Height, hash)
	return remora.Share{Height: h.Height, Hash: hash, Signature: a.keys.Consensus.Sign(message[:])}
}

// contribute signs the step of the beacon that follows a seed.
func (a *authority) contribute(after remora.Seed) remora.Contribution {
	message := remora.BeaconMessage(a.committee.ChainID, after.Step+1, after.Hash)
	return remora.Contribution{Step: after.Step + 1, Signature: a.keys.Beacon.Sign(message[:])}
}
