package delivery

import (
	"encoding/binary"

	"github.com/zeebo/blake3"

	"github.com/remora-network/remora"
)

// The tags keep the preimages of leaves, inner nodes and offsets apart.
const (
	extentTag   = "remora/extent/1"
	extentsTag  = "remora/extents/1"
	receiptsTag = "remora/receipts/1"
	offsetTag   = "remora/offset/1"
)

// maxPreimage is room for every preimage here. Two blocks of BLAKE3 hold a leaf or node of either tree.
const maxPreimage = 192

// beginPreimage starts a preimage in the form of the root package: the tag after its length, then fields of fixed width. The
// trees leave out the domain: the receipt or claim that commits to their root has it.
func beginPreimage(buf []byte, tag string) []byte {
	return append(appendNumber(buf, uint64(len(tag))), tag...)
}

func appendNumber(buf []byte, v uint64) []byte { return binary.BigEndian.AppendUint64(buf, v) }

// hashExtent hashes an extent.
func hashExtent(e remora.Extent) remora.SumNode {
	var room [maxPreimage]byte
	buf := append(beginPreimage(room[:0], extentTag), e.Content.Root[:]...)
	buf = appendNumber(appendNumber(appendNumber(buf, e.Content.Length), e.First), e.Bytes)
	return remora.SumNode{Bytes: e.Bytes, Hash: blake3.Sum256(buf)}
}

// hashSumNode hashes two neighbours of the sum tree. The sum of their bytes must not overflow.
func hashSumNode(left, right remora.SumNode) remora.SumNode {
	var room [maxPreimage]byte
	buf := append(appendNumber(beginPreimage(room[:0], extentsTag), left.Bytes), left.Hash[:]...)
	buf = append(appendNumber(buf, right.Bytes), right.Hash[:]...)
	return remora.SumNode{Bytes: left.Bytes + right.Bytes, Hash: blake3.Sum256(buf)}
}

// hashReceiptNode hashes two neighbours of the tree over receipts.
func hashReceiptNode(left, right remora.Hash) remora.Hash {
	var room [maxPreimage]byte
	buf := append(beginPreimage(room[:0], receiptsTag), left[:]...)
	return blake3.Sum256(append(buf, right[:]...))
}
