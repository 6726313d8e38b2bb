package trust

import (
	"fmt"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/bls"
	"github.com/remora-network/remora/crypto/ed25519"
)

// Scheme is the cryptography behind a committee's signatures: BLS12-381 for votes and shares, Ed25519 for headers in the
// node; simulations have one that is a thousand times cheaper. It is safe for use by several goroutines.
type Scheme interface {
	// VerifyDigest reports whether a member's header key made a signature over a digest.
	VerifyDigest(author remora.Authority, digest remora.Hash, sig remora.Signature) bool
	// VerifyAggregates checks that all signers of each item signed its message. The result has one entry per item, nil
	// where it holds.
	VerifyAggregates(items []Aggregate) []error
	// HoldTogether reports whether all signers of every item signed its message, at the cost of one check.
	HoldTogether(items []Aggregate) bool
	// Aggregate combines signatures over one message, see Committee.Aggregate.
	Aggregate(message remora.Hash, by []remora.Authority, sigs []remora.BLSSignature) (remora.BLSSignature, remora.Bitmap, []remora.Authority)
}

// Aggregate is one signature of several members over one message.
type Aggregate struct {
	Signers   remora.Bitmap
	Message   remora.Hash
	Signature remora.BLSSignature
}

// pairings is the scheme of the node.
type pairings struct {
	committee *remora.Committee
	ring      *bls.Keyring
}

func newPairings(c *remora.Committee) (*pairings, error) {
	keys := make([]*bls.PublicKey, c.Size())
	for i, m := range c.Members {
		key, err := bls.ParsePublicKey(m.Consensus)
		if err != nil {
			return nil, fmt.Errorf("consensus key of %q: %w", m.Name, err)
		}
		keys[i] = key
	}
	return &pairings{committee: c, ring: bls.NewKeyring(keys)}, nil
}

// VerifyDigest implements Scheme.
func (p *pairings) VerifyDigest(author remora.Authority, digest remora.Hash, sig remora.Signature) bool {
	return ed25519.Verify(p.committee.Members[author].Header, digest[:], sig)
}

// VerifyAggregates implements Scheme, with one pairing equation for all items.
func (p *pairings) VerifyAggregates(items []Aggregate) []error {
	return bls.VerifyAggregates(p.listItems(items))
}

// HoldTogether implements Scheme.
func (p *pairings) HoldTogether(items []Aggregate) bool { return bls.HoldTogether(p.listItems(items)) }

func (p *pairings) listItems(items []Aggregate) []bls.AggregateItem {
	list := make([]bls.AggregateItem, len(items))
	for i := range items {
		list[i] = bls.AggregateItem{
			Ring: p.ring, Signers: signerIndices(items[i].Signers), Message: items[i].Message[:], Signature: items[i].Signature,
		}
	}
	return list
}

// Aggregate implements Scheme.
func (p *pairings) Aggregate(message remora.Hash, by []remora.Authority, sigs []remora.BLSSignature) (
	remora.BLSSignature, remora.Bitmap, []remora.Authority,
) {
	votes := make([]bls.Vote, len(by))
	for i := range by {
		votes[i] = bls.Vote{Signer: int(by[i]), Signature: sigs[i]}
	}
	sig, good, bad, err := bls.AggregateVerified(p.ring, votes, message[:])
	culprits := make([]remora.Authority, len(bad))
	for i, b := range bad {
		culprits[i] = remora.Authority(b)
	}
	members := remora.NewBitmap(p.committee.Size())
	if err != nil {
		return remora.BLSSignature{}, members, culprits
	}
	for _, g := range good {
		members.Add(remora.Authority(g))
	}
	return sig, members, culprits
}

func signerIndices(b remora.Bitmap) []int {
	var list []int
	for a := range b.Members() {
		list = append(list, int(a))
	}
	return list
}
