package fetch

import (
	"math/bits"

	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/proofs/content"
)

const (
	maxSegment = 2 << 20 // bytes of one that is paid for
	// shares is how many segments, and receipts, a window is divided into.
	shares = 8
)

// credit is how far ahead of receipts a cache delivers, reckoned as the cache does it. Numbers are bytes.
type credit struct {
	acked    uint64 // in receipts that the cache has
	open     uint64 // asked for and not in such a receipt: on the way, verified, or in a receipt that it may not have
	discount uint64 // by how much its window proved to be smaller
	careful  bool   // the window is not known: until a segment was delivered, one at a time is asked for
}

// window returns how many bytes may be open when acked are acknowledged.
func (c *credit) window(acked uint64) uint64 {
	w := transfer.Window(acked, 0)
	return w - min(w, c.discount)
}

// admits reports whether n bytes may be asked for along with a receipt for some of what is open.
func (c *credit) admits(n, receipt uint64) bool {
	return c.careful || c.open-receipt+n <= c.window(c.acked+receipt)
}

// confirm takes note of a receipt for n bytes that the cache has.
func (c *credit) confirm(n uint64) {
	c.open -= n
	c.acked += n
}

// shrink halves the window: the cache refused what it was thought to allow.
func (c *credit) shrink() {
	c.discount += (c.window(c.acked) + 1) / 2
	c.careful = true
}

// segment returns how many bytes are best asked for at once: a power of two of whole pieces.
func (c *credit) segment() uint64 {
	share := max(content.PieceSize, min(maxSegment, c.window(c.acked)/shares))
	return 1 << (bits.Len64(share) - 1)
}
