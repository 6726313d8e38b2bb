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
	committee    *trust.Committee
	secrets      secrets
	headers      remora.Recent[*remora.Header, bool]
	certificates remora.Recent[*remora.Certificate, bool]
}

// secrets sign for the members of a committee.
type secrets interface {
	signerOf(a remora.Authority) mempool.Signer
	blockSignerOf(a remora.Authority) validator.BlockSigner
	newVerdicts() exec.Verdicts // of the executor, for one process
}

// newSignatures puts the members' keys into the genesis and returns who signs with them.
func newSignatures(kind string, g *remora.Genesis) (*signatures, error) {
	if kind == RealSignatures {
		return newGenuine(g)
	}
	committee, err := g.Committee()
	if err != nil {
		return nil, err
	}
	return rememberSignatures(trust.NewWith(committee, fakeScheme{committee}), fake{committee}), nil
}

func rememberSignatures(c *trust.Committee, s secrets) *signatures {
	return &signatures{
		committee: c, secrets: s,
		headers: remora.NewRecent[*remora.Header, bool](remembered), certificates: remora.NewRecent[*remora.Certificate, bool](remembered),
	}
}

// remembered bounds the verdicts that are kept.
const remembered = 1 << 12

func (s *signatures) signerOf(a remora.Authority) mempool.Signer { return s.secrets.signerOf(a) }

func (s *signatures) blockSignerOf(a remora.Authority) validator.BlockSigner {
	return s.secrets.blockSignerOf(a)
}

func (s *signatures) newVerdicts() exec.Verdicts { return s.secrets.newVerdicts() }

func (s *signatures) verifyHeader(h *remora.Header) bool {
	return judgeOnce(&s.headers, h, func() bool { return s.committee.CheckHeader(h) == nil })
}

func (s *signatures) verifyCertificate(c *remora.Certificate) bool {
	return judgeOnce(&s.certificates, c, func() bool { return s.committee.CheckCertificates([]*remora.Certificate{c})[0] == nil })
}

func judgeOnce[K comparable](judged *remora.Recent[K, bool], key K, judge func() bool) bool {
	if good, known := judged.Get(key); known {
		return good
	}
	good := judge()
	judged.Add(key, good)
	return good
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

func newGenuine(g *remora.Genesis) (*signatures, error) {
	keys, err := newMemberKeys(g)
	if err != nil {
		return nil, err
	}
	members, err := g.Committee()
	if err != nil {
		return nil, err
	}
	committee, err := trust.New(members)
	if err != nil {
		return nil, err
	}
	return rememberSignatures(committee, &genuine{committee, keys}), nil
}

func (g *genuine) signerOf(a remora.Authority) mempool.Signer {
	return &trust.Signer{Committee: g.committee, Consensus: g.keys[a].Consensus, Headers: g.keys[a].Header}
}

func (g *genuine) blockSignerOf(a remora.Authority) validator.BlockSigner {
	return validator.NewBlockSigner(g.committee, g.keys[a])
}

func (g *genuine) newVerdicts() exec.Verdicts { return exec.NewVerifier() }
