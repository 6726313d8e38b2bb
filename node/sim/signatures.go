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
	"github.com/remora-network/remora/mempool/mempooltest"
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/node/trust"
	"github.com/remora-network/remora/state/statetest"
)

// The kinds of signatures that a scenario may choose.
const (
	FakeSignatures = "fake" // hashes, a thousand times as cheap
	RealSignatures = "real" // BLS12-381 and Ed25519, as in the node
)

// signatures make and judge signatures.
type signatures interface {
	signerOf(a remora.Authority) mempool.Signer
	verifyHeader(h *remora.Header) bool
	verifyCertificate(c *remora.Certificate) bool
	newVerdicts() exec.Verdicts // of the executor, for one process
}

// newSignatures puts the members' keys into the genesis and returns who signs with them.
func newSignatures(kind string, g *remora.Genesis) (signatures, *remora.Committee, error) {
	var keys []memberKeys
	if kind == RealSignatures {
		var err error
		if keys, err = newMemberKeys(g); err != nil {
			return nil, nil, err
		}
	}
	committee, err := g.Committee()
	if err != nil {
		return nil, nil, err
	}
	if kind != RealSignatures {
		return newFake(committee), committee, nil
	}
	trusted, err := trust.New(committee)
	return &genuine{committee: trusted, keys: keys}, committee, err
}

// remembered bounds the verdicts that are kept.
const remembered = 1 << 12

// fake signatures are hashes. Every copy of a message is the same object, so that one look at it is enough.
type fake struct {
	committee    *remora.Committee
	headers      remora.Recent[*remora.Header, bool]
	certificates remora.Recent[*remora.Certificate, bool]
}

func newFake(c *remora.Committee) *fake {
	return &fake{
		committee: c, headers: remora.NewRecent[*remora.Header, bool](remembered),
		certificates: remora.NewRecent[*remora.Certificate, bool](remembered),
	}
}

func (f *fake) signerOf(a remora.Authority) mempool.Signer {
	return mempooltest.Signer{Committee: f.committee, Self: a}
}

func (f *fake) verifyHeader(h *remora.Header) bool {
	return judgeOnce(&f.headers, h, func() bool { return mempooltest.VerifyHeader(h) })
}

func (f *fake) verifyCertificate(c *remora.Certificate) bool {
	return judgeOnce(&f.certificates, c, func() bool {
		return mempooltest.VerifyCertificate(f.committee, c) && mempooltest.VerifyHeader(&c.Header)
	})
}

func (f *fake) newVerdicts() exec.Verdicts { return new(statetest.Verifier) }

func judgeOnce[K comparable](judged *remora.Recent[K, bool], key K, judge func() bool) bool {
	if good, known := judged.Get(key); known {
		return good
	}
	good := judge()
	judged.Add(key, good)
	return good
}

// memberKeys are the secrets of one member.
type memberKeys struct {
	consensus, beacon *bls.SecretKey
	header            *ed25519.PrivateKey
}

// newMemberKeys gives every validator of the genesis keys that follow from its number, in the committee's order.
func newMemberKeys(g *remora.Genesis) ([]memberKeys, error) {
	keys := make([]memberKeys, len(g.Validators))
	for i := range keys {
		seed := sha256.Sum256(binary.BigEndian.AppendUint32([]byte("remora/sim/"), uint32(i)))
		beacon := sha256.Sum256(seed[:])
		var err error
		if keys[i].consensus, err = bls.DeriveKey(seed[:]); err != nil {
			return nil, err
		}
		if keys[i].beacon, err = bls.DeriveKey(beacon[:]); err != nil {
			return nil, err
		}
		if keys[i].header, err = ed25519.NewKeyFromSeed(seed[:]); err != nil {
			return nil, err
		}
	}
	slices.SortFunc(keys, func(a, b memberKeys) int {
		x, y := a.consensus.Public(), b.consensus.Public()
		return bytes.Compare(x[:], y[:])
	})
	for i, k := range keys {
		n := &g.Validators[i].Node
		n.Header = k.header.Public()
		n.Consensus, n.Possession = k.consensus.Public(), k.consensus.ProvePossession()
		n.Beacon, n.BeaconPoP = k.beacon.Public(), k.beacon.ProvePossession()
	}
	return keys, nil
}

// genuine signatures are the node's.
type genuine struct {
	committee *trust.Committee
	keys      []memberKeys
}

func (g *genuine) signerOf(a remora.Authority) mempool.Signer {
	return &trust.Signer{Committee: g.committee, Consensus: g.keys[a].consensus, Headers: g.keys[a].header}
}

func (g *genuine) verifyHeader(h *remora.Header) bool { return g.committee.Header(h) == nil }

func (g *genuine) verifyCertificate(c *remora.Certificate) bool {
	return g.committee.Certificates([]*remora.Certificate{c})[0] == nil
}

func (g *genuine) newVerdicts() exec.Verdicts { return exec.NewVerifier() }
