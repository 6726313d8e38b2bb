package delivery

import (
	"fmt"
	"slices"

	"github.com/zeebo/blake3"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/proofs/content"
)

// Evidence reads what a node has kept of its deliveries in order to open their claim.
type Evidence struct {
	// Extents returns the extents of the receipt of an item.
	Extents func(item int) ([]remora.Extent, error)
	// Chunk proves a chunk of delivered content.
	Chunk func(of remora.Content, index uint64) (content.ChunkProof, error)
	// Aggregate sums the signatures of receipts.
	Aggregate func(signatures []remora.BLSSignature) (remora.BLSSignature, error)
}

// Open answers the challenge with the receipts of all items, in their order. It reads only the evidence that the challenge
// draws. The opening that it returns passes Verify.
func (c *Challenge) Open(receipts []remora.SignedReceipt, e Evidence) (*remora.OpenClaim, error) {
	if len(receipts) != len(c.Items) {
		return nil, fmt.Errorf("%w: %d receipts for a claim of %d", remora.ErrInvalid, len(receipts), len(c.Items))
	}
	p := prover{challenge: c, receipts: receipts, evidence: e, echo: newEcho(c.Seed)}
	p.opened.Node, p.opened.Epoch = c.Claim.Node, c.Claim.Epoch
	for i := range receipts {
		p.leaves = append(p.leaves, receipts[i].Receipt.Leaf(c.Domain))
	}
	if err := c.walkDraws(&p); err != nil {
		return nil, fmt.Errorf("claim %s: %w", c.Claim.ID, err)
	}
	var err error
	if p.opened.Signature, err = e.Aggregate(p.signatures); err != nil {
		return nil, fmt.Errorf("claim %s: %w", c.Claim.ID, err)
	}
	p.opened.Echo = sumEcho(p.echo)
	if _, err := c.Verify(&p.opened); err != nil {
		return nil, fmt.Errorf("claim %s: %w", c.Claim.ID, err)
	}
	return &p.opened, nil
}

// prover makes an opening.
type prover struct {
	challenge  *Challenge
	receipts   []remora.SignedReceipt
	leaves     []remora.Hash // of the receipts
	evidence   Evidence
	opened     remora.OpenClaim
	extents    []remora.Extent // of the present receipt
	signatures []remora.BLSSignature
	echo       *blake3.Hasher
}

func (p *prover) nextReceipt(item int) error {
	r := p.receipts[item].Receipt
	extents, err := p.evidence.Extents(item)
	if err != nil {
		return fmt.Errorf("extents of session %d: %w", r.Session, err)
	}
	t, err := NewTally(extents)
	if err != nil {
		return fmt.Errorf("extents of session %d: %w", r.Session, err)
	}
	if t.Len() != r.Extents || t.Bytes() != r.Bytes || t.Root() != r.Root || r.Bytes != p.challenge.Items[item].Bytes {
		return fmt.Errorf("%w: %d extents of %d bytes are not those of session %d's receipt, %d of %d",
			remora.ErrInvalid, t.Len(), t.Bytes(), r.Session, r.Extents, r.Bytes)
	}
	_, path := proveLeaf(slices.Clone(p.leaves), uint64(item), hashReceiptNode)
	p.extents = extents
	p.signatures = append(p.signatures, p.receipts[item].Signature)
	p.opened.Receipts = append(p.opened.Receipts, remora.OpenedReceipt{Extents: r.Extents, Root: r.Root, Path: path})
	return nil
}

func (p *prover) nextExtent(offset uint64) (e remora.Extent, start uint64, err error) {
	opened, start := ProveExtent(p.extents, offset)
	p.opened.Extents = append(p.opened.Extents, opened)
	return opened.Extent, start, nil
}

func (p *prover) nextChunk(of remora.Content, index uint64) error {
	proof, err := p.evidence.Chunk(of, index)
	if err != nil {
		return fmt.Errorf("chunk %d of content %s: %w", index, of.Root, err)
	}
	_, _ = p.echo.Write(proof.Data) // never fails
	p.opened.Chunks = append(p.opened.Chunks, remora.OpenedChunk{Data: proof.Data, Path: proof.Path})
	return nil
}
