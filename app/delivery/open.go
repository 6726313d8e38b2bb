package delivery

import (
	"context"
	"fmt"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/crypto/bls"
	"github.com/remora-network/remora/proofs/content"
	proof "github.com/remora-network/remora/proofs/delivery"
)

// openClaim answers the challenge of a claim from the journal and the store.
func (c *claimer) openClaim(ctx context.Context, p *plan, claim remora.Claim, seed remora.Seed) error {
	if id := p.Commit.ID(c.config.Domain, c.config.Self); claim.ID != id {
		return fmt.Errorf("%w: the chain has another claim of this epoch than the journal, %s: only the journal that it was made from can open it",
			remora.ErrInvalid, id)
	}
	receipts := make([]remora.SignedReceipt, len(p.Commit.Items))
	for i, item := range p.Commit.Items {
		var err error
		if receipts[i], err = c.journal.Receipt(item.Session, claim.Epoch); err != nil {
			return fmt.Errorf("receipt of session %d: %w", item.Session, err)
		}
	}
	challenge := proof.Challenge{Domain: c.config.Domain, Claim: claim, Items: p.Commit.Items, Seed: seed.Hash}
	opening, err := challenge.Open(receipts, proof.Evidence{
		Extents: func(i int) ([]remora.Extent, error) { return c.journal.Extents(p.Commit.Items[i].Session, claim.Epoch) },
		Chunk: func(of remora.Content, index uint64) (content.ChunkProof, error) {
			return c.config.Store.ProveChunk(of.Root, index) // a damaged object is fetched again
		},
		Aggregate: bls.Aggregate,
	})
	if err != nil {
		return err
	}
	if err := c.config.Sender.Send(ctx, remora.KindOpenClaim, *opening); err != nil {
		return err
	}
	c.counts.opened.Add(1)
	return nil
}
