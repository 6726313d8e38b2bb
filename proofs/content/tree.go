package content

import (
	"fmt"
	"math/bits"

	"lukechampine.com/blake3/guts"

	"github.com/remora-network/remora"
)

// Sizes of the tree in bytes.
const (
	ChunkSize = guts.ChunkSize                // a leaf of BLAKE3
	PieceSize = guts.ChunkSize * guts.MaxSIMD // the unit that is stored, sent and verified
	PairSize  = 2 * remora.HashSize           // the chaining values of two children
	MaxLength = uint64(1) << 60               // of a content
	maxDepth  = 60 - 10                       // pairs above a chunk of the longest content
	maxGroup  = maxDepth*PairSize + PieceSize // a piece and the most pairs that precede it in a stream
)

// Chunks returns the number of chunks of a content; the empty one has an empty chunk.
func Chunks(length uint64) uint64 { return countParts(length, ChunkSize) }

// Pieces returns the number of pieces of a content; the empty one has an empty piece.
func Pieces(length uint64) uint64 { return countParts(length, PieceSize) }

// OutboardSize returns the size of a content's outboard in bytes: zero up to one piece, 0.39 % of the content above.
func OutboardSize(length uint64) uint64 { return (Pieces(length) - 1) * PairSize }

func countParts(length, size uint64) uint64 {
	if length == 0 {
		return 1
	}
	return (length-1)/size + 1
}

// span is the run of bytes below a node of the tree.
type span struct{ start, length uint64 }

func (s span) end() uint64 { return s.start + s.length }

// split divides a span of more than one chunk as BLAKE3 does: the left part is the largest power of two below its length.
func (s span) split() (left, right span) {
	mid := uint64(1) << (bits.Len64(s.length-1) - 1)
	return span{s.start, mid}, span{s.start + mid, s.length - mid}
}

// countParents returns the number of pairs at and below the span's node.
func (s span) countParents() uint64 { return Pieces(s.length) - 1 }

// node is a span with its chaining value.
type node struct {
	span
	before uint64 // pairs of the outboard before the span's first
	flags  uint32 // guts.FlagRoot for the top
	cv     remora.Hash
}

// topNode returns the root node of a content.
func topNode(root remora.Hash, length uint64) node {
	return node{span: span{0, length}, flags: guts.FlagRoot, cv: root}
}

// pairOffset returns the place of the node's pair in the outboard: after those of its children.
func (n node) pairOffset() int64 { return int64((n.before + n.countParents() - 1) * PairSize) }

func (n node) childNodes(pair *[PairSize]byte) (left, right node) {
	l, r := n.split()
	left = node{span: l, before: n.before, cv: remora.Hash(pair[:remora.HashSize])}
	right = node{span: r, before: n.before + l.countParents(), cv: remora.Hash(pair[remora.HashSize:])}
	return left, right
}

// hashPair returns the chaining value of the parent of two nodes, or the root with guts.FlagRoot.
func hashPair(pair *[PairSize]byte, flags uint32) remora.Hash {
	return finishNode(guts.Node{
		CV:       guts.IV,
		Block:    guts.BytesToWords(*pair),
		BlockLen: guts.BlockSize,
		Flags:    guts.FlagParent,
	}, flags)
}

// hashSpan returns the chaining value of at most one piece of bytes at offset start of the content. It copies the bytes
// unless their capacity is a whole piece.
func hashSpan(data []byte, start uint64, flags uint32) remora.Hash {
	if len(data) <= ChunkSize {
		return finishNode(guts.CompressChunk(data, &guts.IV, start/ChunkSize, 0), flags)
	}
	if cap(data) < PieceSize {
		data = append(make([]byte, 0, PieceSize), data...)
	}
	full := (*[PieceSize]byte)(data[:PieceSize])
	return finishNode(guts.CompressBuffer(full, len(data), &guts.IV, start/ChunkSize, 0), flags)
}

func finishNode(n guts.Node, flags uint32) remora.Hash {
	n.Flags |= flags
	out := guts.WordsToBytes(guts.CompressNode(n))
	return remora.Hash(out[:remora.HashSize])
}

func checkLength(length uint64) error {
	if length > MaxLength {
		return fmt.Errorf("content: %w: %d bytes, at most %d", remora.ErrTooLarge, length, MaxLength)
	}
	return nil
}
