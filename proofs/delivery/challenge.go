package delivery

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"

	"github.com/zeebo/blake3"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/proofs/content"
)

// Challenge is a claim with the seed that challenges it. Another seed draws other bytes.
type Challenge struct {
	Domain remora.Domain
	Claim  remora.Claim
	Items  []remora.ClaimItem // that the claim listed
	Seed   remora.Hash        // fixed after the claim was committed
}

// Offsets returns the bytes that the challenge draws, as ascending offsets in the bytes of all items. Each is uniform below
// Claim.Bytes, up to a bias of less than 2^-64; one drawn twice is listed twice. A claim of no bytes has none.
func (c *Challenge) Offsets() []uint64 {
	if c.Claim.Bytes == 0 {
		return nil
	}
	prefix := append(beginPreimage(make([]byte, 0, maxPreimage), offsetTag), c.Domain[:]...)
	prefix = append(append(prefix, c.Seed[:]...), c.Claim.ID[:]...)
	offsets := make([]uint64, remora.ClaimSamples)
	for j := range offsets {
		h := blake3.Sum256(appendNumber(prefix, uint64(j)))
		offsets[j] = bits.Rem64(binary.BigEndian.Uint64(h[:8]), binary.BigEndian.Uint64(h[8:16]), c.Claim.Bytes)
	}
	slices.Sort(offsets)
	return offsets
}

// checkItems reports items that are not the claim's. The chain never stores such items.
func (c *Challenge) checkItems() error {
	if uint64(len(c.Items)) != uint64(c.Claim.Count) {
		return fmt.Errorf("%w: claim %s of %d receipts has %d items", remora.ErrCorrupt, c.Claim.ID, c.Claim.Count, len(c.Items))
	}
	sum, overflow := uint64(0), uint64(0)
	for _, item := range c.Items {
		carry := uint64(0)
		sum, carry = bits.Add64(sum, item.Bytes, 0)
		overflow |= carry
	}
	if overflow != 0 || sum != c.Claim.Bytes || sum == 0 {
		return fmt.Errorf("%w: claim %s of %d bytes has items of %d", remora.ErrCorrupt, c.Claim.ID, c.Claim.Bytes, sum)
	}
	return nil
}

// opening is one side of walkDraws: the prover, which makes an opening, or the verifier, which reads it.
type opening interface {
	// nextReceipt moves to the receipt of an item.
	nextReceipt(item int) error
	// nextExtent moves to the extent of that receipt that holds the byte with the given offset in the receipt's bytes. It
	// returns the extent and the number of bytes before it.
	nextExtent(offset uint64) (e remora.Extent, start uint64, err error)
	// nextChunk moves to a chunk of a content.
	nextChunk(of remora.Content, index uint64) error
}

// walkDraws visits the receipts, extents and chunks that hold the drawn bytes, each once and in the order of the lists in an
// opening. Offsets ascend, so of those visited only the latest can hold the next byte.
func (c *Challenge) walkDraws(o opening) error {
	if err := c.checkItems(); err != nil {
		return err
	}
	const none = -1
	item, itemStart, opened := 0, uint64(0), none
	var extent remora.Extent // the present one, empty before the first
	var start, chunk uint64  // the extent's first byte in the receipt, and the chunk after the present one
	for _, at := range c.Offsets() {
		for ; at-itemStart >= c.Items[item].Bytes; item++ {
			itemStart += c.Items[item].Bytes
		}
		offset := at - itemStart
		if item != opened {
			if err := o.nextReceipt(item); err != nil {
				return err
			}
			opened, extent, start = item, remora.Extent{}, 0
		}
		if offset-start >= extent.Bytes {
			var err error
			if extent, start, err = o.nextExtent(offset); err != nil {
				return err
			}
			chunk = 0
		}
		if index := extent.First + (offset-start)/content.ChunkSize; index >= chunk {
			if err := o.nextChunk(extent.Content, index); err != nil {
				return err
			}
			chunk = index + 1
		}
	}
	return nil
}

// newEcho returns a hash of the chunks' data, keyed with the seed. It needs the data once the seed is fixed: hashes of the
// content's tree are not enough.
func newEcho(seed remora.Hash) *blake3.Hasher {
	h, _ := blake3.NewKeyed(seed[:]) // fails for keys of another length only
	return h
}

func sumEcho(h *blake3.Hasher) (echo remora.Hash) {
	h.Sum(echo[:0])
	return echo
}
