// Package delivery is the proof of delivery: the sum tree over the extents of a receipt, the tree over the receipts of a
// claim, the offsets that a seed draws, and the opening that answers them.
package delivery
