package trust_test

import (
	"errors"
	"slices"
	"testing"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/trust"
)

// TestFetchedChain gives the check of fetched certificates an answer that is partly made up.
func TestFetchedChain(t *testing.T) {
	t.Run("forged_fetched_chain_with_two_leaves", testForgedChain)
}

// testForgedChain makes up a certificate and hangs it below a leaf that a quorum never saw, next to a genuine chain with
// a genuine leaf. That others name a certificate as their parent vouches for nothing, in whatever order they come.
func testForgedChain(t *testing.T) {
	c := newCouncil(t)
	child := func(author remora.Authority, parents ...*remora.Certificate) *remora.Certificate {
		h := &remora.Header{Term: 1, Author: author, Round: 2, CreatedAt: 6}
		for _, p := range parents {
			h.Parents = append(h.Parents, p.Header.ID())
		}
		digest := h.Seal(domain)
		h.Signature = c.header[author].Sign(digest[:])
		return &remora.Certificate{
			Header: *h, Signers: remora.NewBitmap(4, 0, 1, 2), Signature: c.aggregate(t, remora.VoteMessage(domain, h), 0, 1, 2),
		}
	}
	base := []*remora.Certificate{c.certificate(t, 0, 0, 1, 2), c.certificate(t, 1, 0, 1, 3), c.certificate(t, 2, 1, 2, 3)}
	leaf := child(0, base...)
	invented := c.certificate(t, 3, 3) // its author signs it alone and names others as well
	invented.Signers = remora.NewBitmap(4, 1, 2, 3)
	forged := child(3, base[0], base[1], invented)
	forged.Signature = c.aggregate(t, remora.VoteMessage(domain, &forged.Header), 3)

	answer := append(slices.Clone(base), leaf, invented, forged)
	for turn := range answer {
		order := append(slices.Clone(answer[turn:]), answer[:turn]...)
		for i, err := range c.CheckCertificates(order) {
			bad := order[i] == invented || order[i] == forged
			if errors.Is(err, trust.ErrSignature) != bad || (err != nil) != bad {
				t.Errorf("turned by %d, round %d of authority %d: %v", turn, order[i].Round(), order[i].Author(), err)
			}
		}
	}
}
