package sim

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"slices"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/bls"
	"github.com/remora-network/remora/crypto/ed25519"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/node/home"
	"github.com/remora-network/remora/node/trust"
	"github.com/remora-network/remora/node/validator"
)

// The kinds of signatures that a scenario may choose.
const (
	FakeSignatures = "fake" // hashes, a thousand times as cheap
	RealSignatures = "real" // BLS12-381 and Ed25519, as in the node
)

// signatures make and judge signatures. Every copy of a message is the same object, so that one look at it is enough.
type signatures struct {
	secrets
	committee *trust.Committee
	judged    remora.Recent[any, bool] // whether a *remora.Header or a *remora.Certificate is valid
}

// judgedLimit bounds the verdicts that are kept.
const judgedLimit = 1 << 13

// secrets sign for the members of a committee.
type secrets interface {
	signerOf(a remora.Authority) mempool.Signer
	blockSignerOf(a remora.Authority) validator.BlockSigner
	newVerdicts() exec.Verdicts // of the executor, for one process
}

// newSignatures puts the members' keys into the genesis and returns who signs with them.
func newSignatures(kind string, g *remora.Genesis) (*signatures, error) {
	var keys []*home.Signers
	var err error
	if kind == RealSignatures {
		if keys, err = newMemberKeys(g); err != nil {
			return nil, err
		}
	}
	members, err := g.Committee()
	if err != nil {
		return nil, err
	}
	s := &signatures{judged: remora.NewRecent[any, bool](judgedLimit)}
	if kind != RealSignatures {
		s.committee, s.secrets = trust.NewWith(members, fakeScheme{members}), fake{members}
		return s, nil
	}
	s.committee, err = trust.New(members)
	s.secrets = genuine{s.committee, keys}
	return s, err
}

func (s *signatures) verifyHeader(h *remora.Header) bool {
	return s.judgeOnce(h, func() error { return s.committee.CheckHeader(h) })
}

func (s *signatures) verifyCertificate(c *remora.Certificate) bool {
	return s.judgeOnce(c, func() error { return s.committee.CheckCertificates([]*remora.Certificate{c})[0] })
}

func (s *signatures) judgeOnce(message any, judge func() error) bool {
	valid, known := s.judged.Get(message)
	if !known {
		valid = judge() == nil
		s.judged.Add(message, valid)
	}
	return valid
}

// newMemberKeys gives every validator of the genesis keys that follow from its number, in the committee's order.
func newMemberKeys(g *remora.Genesis) ([]*home.Signers, error) {
	keys := make([]*home.Signers, len(g.Validators))
	for i := range keys {
		keys[i] = new(home.Signers)
		seed := sha256.Sum256(binary.BigEndian.AppendUint32([]byte("remora/sim/"), uint32(i)))
		beacon := sha256.Sum256(seed[:])
		var err error
		if keys[i].Consensus, err = bls.DeriveKey(seed[:]); err != nil {
			return nil, err
		}
		if keys[i].Beacon, err = bls.DeriveKey(beacon[:]); err != nil {
			return nil, err
		}
		if keys[i].Header, err = ed25519.NewKeyFromSeed(seed[:]); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(keys, func(a, b *home.Signers) int {
		x, y := a.Consensus.Public(), b.Consensus.Public()
		return bytes.Compare(x[:], y[:])
	})
	for i, k := range keys {
		n := &g.Validators[i].Node
		n.Header = k.Header.Public()
		n.Consensus, n.Possession = k.Consensus.Public(), k.Consensus.ProvePossession()
		n.Beacon, n.BeaconPoP = k.Beacon.Public(), k.Beacon.ProvePossession()
	}
	return keys, nil
}

// genuine signatures are the node's.
type genuine struct {
	committee *trust.Committee
	keys      []*home.Signers
}

func (g genuine) signerOf(a remora.Authority) mempool.Signer {
	return &trust.Signer{Committee: g.committee, Consensus: g.keys[a].Consensus, Headers: g.keys[a].Header}
}

func (g genuine) blockSignerOf(a remora.Authority) validator.BlockSigner {
	return validator.NewBlockSigner(g.committee, g.keys[a])
}

func (g genuine) newVerdicts() exec.Verdicts { return exec.NewVerifier() }
