package delivery

import (
	"fmt"

	"github.com/zeebo/blake3"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/proofs/content"
)

// Verify checks an opening except its signature, and returns the opened receipts in order: the aggregate must cover the message
// of each under its session's key and scheme. An opening that passes has exactly one form. The error is ErrOpening, or
// remora.ErrCorrupt if the challenge contradicts itself.
func (c *Challenge) Verify(o *remora.OpenClaim) ([]remora.Receipt, error) {
	if o.Node != c.Claim.Node || o.Epoch != c.Claim.Epoch {
		return nil, fmt.Errorf("%w: it opens the claim of %s for epoch %d, the claim is that of %s for epoch %d",
			ErrOpening, o.Node, o.Epoch, c.Claim.Node, c.Claim.Epoch)
	}
	if max(len(o.Receipts), len(o.Extents), len(o.Chunks)) > remora.ClaimSamples {
		return nil, fmt.Errorf("%w: %d receipts, %d extents and %d chunks, at most %d each",
			ErrOpening, len(o.Receipts), len(o.Extents), len(o.Chunks), remora.ClaimSamples)
	}
	v := verifier{challenge: c, opened: o, echo: newEcho(c.Seed)}
	if err := c.walkDraws(&v); err != nil {
		return nil, err
	}
	if len(v.receipts) != len(o.Receipts) || v.extents != len(o.Extents) || v.chunks != len(o.Chunks) {
		return nil, fmt.Errorf("%w: %d receipts, %d extents and %d chunks, the challenge draws %d, %d and %d",
			ErrOpening, len(o.Receipts), len(o.Extents), len(o.Chunks), len(v.receipts), v.extents, v.chunks)
	}
	if echo := sumEcho(v.echo); echo != o.Echo {
		return nil, fmt.Errorf("%w: echo %s, the chunks with the seed give %s", ErrOpening, o.Echo, echo)
	}
	return v.receipts, nil
}

// verifier reads an opening.
type verifier struct {
	challenge *Challenge
	opened    *remora.OpenClaim
	receipts  []remora.Receipt // read so far
	extents   int              // read so far
	chunks    int
	echo      *blake3.Hasher
}

func (v *verifier) nextReceipt(item int) error {
	n, c := len(v.receipts), v.challenge
	if n == len(v.opened.Receipts) {
		return fmt.Errorf("%w: the receipt of item %d is missing", ErrOpening, item)
	}
	o := &v.opened.Receipts[n]
	if o.Extents == 0 || o.Extents > remora.MaxExtents {
		return fmt.Errorf("%w: receipt %d of %d extents, want 1 to %d", ErrOpening, n, o.Extents, remora.MaxExtents)
	}
	r := remora.Receipt{
		Session: c.Items[item].Session, Node: c.Claim.Node, Epoch: c.Claim.Epoch,
		Bytes: c.Items[item].Bytes, Extents: o.Extents, Root: o.Root,
	}
	if err := VerifyReceipt(c.Claim.Receipts, r.Leaf(c.Domain), o.Path, uint32(item), c.Claim.Count); err != nil {
		return fmt.Errorf("%w: receipt %d, of item %d: %w", ErrOpening, n, item, err)
	}
	v.receipts = append(v.receipts, r)
	return nil
}

func (v *verifier) nextExtent(offset uint64) (e remora.Extent, start uint64, err error) {
	n, receipt := v.extents, len(v.receipts)-1
	if n == len(v.opened.Extents) {
		return e, 0, fmt.Errorf("%w: the extent with byte %d of receipt %d is missing", ErrOpening, offset, receipt)
	}
	r, o := &v.receipts[receipt], &v.opened.Extents[n]
	start, err = verifyExtent(r.Root, r.Bytes, r.Extents, o)
	if err != nil {
		return e, 0, fmt.Errorf("%w: extent %d, in receipt %d: %w", ErrOpening, n, receipt, err)
	}
	if offset < start || offset-start >= o.Extent.Bytes {
		return e, 0, fmt.Errorf("%w: extent %d holds bytes %d to %d of receipt %d, byte %d is drawn",
			ErrOpening, n, start, start+o.Extent.Bytes, receipt, offset)
	}
	v.extents++
	return o.Extent, start, nil
}

func (v *verifier) nextChunk(of remora.Content, index uint64) error {
	n := v.chunks
	if n == len(v.opened.Chunks) {
		return fmt.Errorf("%w: chunk %d of content %s is missing", ErrOpening, index, of.Root)
	}
	o := &v.opened.Chunks[n]
	if err := content.VerifyChunk(of.Root, of.Length, index, content.ChunkProof{Data: o.Data, Path: o.Path}); err != nil {
		return fmt.Errorf("%w: chunk %d, number %d of content %s: %w", ErrOpening, n, index, of.Root, err)
	}
	_, _ = v.echo.Write(o.Data) // never fails
	v.chunks++
	return nil
}
