package delivery

import (
	"encoding/binary"

	"github.com/zeebo/blake3"

	"github.com/remora-network/remora"
)

// The tags keep the preimages of different purposes apart: no leaf can be shown as a node, nor the other way round.
const (
	extentTag   = "remora/extent/1"
	extentsTag  = "remora/extents/1"
	receiptsTag = "remora/receipts/1"
	offsetTag   = "remora/offset/1"
)

// maxPreimage is room for all but the longest chain ids. Two blocks of BLAKE3 hold a leaf or node of either tree.
const maxPreimage = 192

// begin starts a preimage in the form of the root package: tag and chain id, each with its length, then fields of fixed
// width. The trees have no chain id of their own: what commits to their root has.
func begin(buf []byte, tag, chainID string) []byte {
	for _, s := range [...]string{tag, chainID} {
		buf = append(number(buf, uint64(len(s))), s...)
	}
	return buf
}

func number(buf []byte, v uint64) []byte { return binary.BigEndian.AppendUint64(buf, v) }

// leafOf hashes an extent.
func leafOf(e remora.Extent) remora.SumNode {
	var room [maxPreimage]byte
	buf := append(begin(room[:0], extentTag, ""), e.Content.Root[:]...)
	buf = number(number(number(buf, e.Content.Length), e.First), e.Bytes)
	return remora.SumNode{Bytes: e.Bytes, Hash: blake3.Sum256(buf)}
}

// joinSums hashes two neighbours of the sum tree. Its caller has made sure that their sum does not overflow.
func joinSums(left, right remora.SumNode) remora.SumNode {
	var room [maxPreimage]byte
	buf := append(number(begin(room[:0], extentsTag, ""), left.Bytes), left.Hash[:]...)
	buf = append(number(buf, right.Bytes), right.Hash[:]...)
	return remora.SumNode{Bytes: left.Bytes + right.Bytes, Hash: blake3.Sum256(buf)}
}

// joinHashes hashes two neighbours of the tree over receipts.
func joinHashes(left, right remora.Hash) remora.Hash {
	var room [maxPreimage]byte
	buf := append(begin(room[:0], receiptsTag, ""), left[:]...)
	return blake3.Sum256(append(buf, right[:]...))
}
