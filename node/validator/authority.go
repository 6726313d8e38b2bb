package validator

import (
	"errors"
	"fmt"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/home"
	"github.com/remora-network/remora/node/p2p"
	"github.com/remora-network/remora/node/trust"
)

// ErrNotValidator says that the keys are of no member of the committee.
var ErrNotValidator = errors.New("these keys belong to no validator of this chain")

// FindSelf returns the place of a validator's keys in the committee.
func FindSelf(c *trust.Committee, keys *home.Signers) (remora.Authority, error) {
	self, found := c.ByConsensusKey(keys.Consensus.Public())
	if !found {
		return 0, fmt.Errorf("%w; check --home and genesis.json", ErrNotValidator)
	}
	m := c.Members[self]
	id, err := p2p.SeedPeerID(keys.Network)
	if err != nil {
		return 0, err
	}
	if m.Header != keys.Header.Public() || m.Beacon != keys.Beacon.Public() || m.PeerID != id {
		return 0, fmt.Errorf("%w: the consensus key is %q's, another key is not; restore its key file", ErrNotValidator, m.Name)
	}
	return self, nil
}

// authority signs for one member of a committee.
type authority struct {
	committee *trust.Committee
	self      remora.Authority
	keys      *home.Signers
}

// NewBlockSigner returns the signer of shares and contributions for a member of a committee.
func NewBlockSigner(c *trust.Committee, keys *home.Signers) BlockSigner {
	return &authority{committee: c, keys: keys}
}

// dagSigner returns the signer of headers and votes.
func (a *authority) dagSigner() *trust.Signer {
	return &trust.Signer{Committee: a.committee, Consensus: a.keys.Consensus, Headers: a.keys.Header}
}

// SignShare signs an executed block.
func (a *authority) SignShare(h *remora.BlockHeader) remora.Share {
	hash := h.Hash()
	message := remora.BlockMessage(a.committee.Domain, h.Height, hash)
	return remora.Share{Height: h.Height, Hash: hash, Signature: a.keys.Consensus.Sign(message[:])}
}

// SignContribution signs the step of the beacon that follows a seed.
func (a *authority) SignContribution(after remora.Seed) remora.Contribution {
	message := remora.BeaconMessage(a.committee.Domain, after.Step+1, after.Hash)
	return remora.Contribution{Step: after.Step + 1, Signature: a.keys.Beacon.Sign(message[:])}
}
