package session

import (
	"math/bits"

	"github.com/remora-network/remora/proofs/content"
)

const (
	maxSegment = 2 << 20 // bytes
	// windowParts is the number of segments, and of receipts, in a window.
	windowParts = 8
)

// credit is a client's estimate of how far a cache delivers ahead of receipts, in bytes.
type credit struct {
	acked    uint64 // in receipts that the cache has
	open     uint64 // asked for and not in such a receipt: on the way, verified, or in a receipt that it may not have
	discount uint64 // by which the cache's window proved smaller than Window
	careful  bool   // the window is unknown: one segment at a time is asked for until one was delivered
}

// windowAt returns the bytes that may be open when acked are acknowledged.
func (c *credit) windowAt(acked uint64) uint64 {
	w := Window(acked, 0)
	return w - min(w, c.discount)
}

// admitsBytes reports whether n bytes may be asked for along with a receipt for some of what is open.
func (c *credit) admitsBytes(n, receipt uint64) bool {
	return c.careful || c.open-receipt+n <= c.windowAt(c.acked+receipt)
}

// confirmBytes notes that the cache has a receipt for n bytes.
func (c *credit) confirmBytes(n uint64) {
	c.open -= n
	c.acked += n
}

// Acked returns the bytes of the receipts that the cache is known to have.
func (c *credit) Acked() uint64 { return c.acked }

// Careful reports whether only one segment at a time may be asked for.
func (c *credit) Careful() bool { return c.careful }

// CancelBytes notes that n delivered bytes did not verify, or are thrown away.
func (c *credit) CancelBytes(n uint64) { c.open -= n }

// SegmentSize returns the number of bytes to ask for at once: a power of two of whole pieces.
func (c *credit) SegmentSize() uint64 {
	part := max(content.PieceSize, min(maxSegment, c.windowAt(c.acked)/windowParts))
	return 1 << (bits.Len64(part) - 1)
}
