package content

import (
	"fmt"
	"io"
	"slices"

	"github.com/remora-network/remora"
)

// ChunkProof is a chunk of a content with the siblings of its path to the root, the chunk's own sibling first.
type ChunkProof struct {
	_    struct{} `cbor:",toarray"`
	Data []byte
	Path []remora.Hash
}

// ChunkLength returns the number of bytes of a chunk: ChunkSize, or fewer for the last one.
func ChunkLength(length, index uint64) (int, error) {
	if err := checkLength(length); err != nil {
		return 0, err
	}
	if index >= Chunks(length) {
		return 0, fmt.Errorf("%w: chunk %d of %d", ErrRange, index, Chunks(length))
	}
	return int(min(ChunkSize, length-index*ChunkSize)), nil
}

// ProveChunk makes the proof of a chunk. It reads the chunk's piece and the pairs above it and verifies nothing: a proof
// from damaged bytes fails VerifyChunk.
func ProveChunk(data, outboard io.ReaderAt, length, index uint64) (ChunkProof, error) {
	if _, err := ChunkLength(length, index); err != nil {
		return ChunkProof{}, err
	}
	var path []remora.Hash // from the root
	n := topNode(remora.Hash{}, length)
	for n.length > PieceSize {
		var pair [PairSize]byte
		if err := readFullAt(outboard, pair[:], n.pairOffset()); err != nil {
			return ChunkProof{}, asMismatch(err, n)
		}
		near, far := n.childNodes(&pair)
		if index*ChunkSize >= far.start {
			near, far = far, near
		}
		path = append(path, far.cv)
		n = near
	}
	piece := make([]byte, n.length, PieceSize)
	if err := readFullAt(data, piece, int64(n.start)); err != nil {
		return ChunkProof{}, asMismatch(err, n)
	}
	s := n.span
	for s.length > ChunkSize {
		near, far := s.split()
		if index*ChunkSize >= far.start {
			near, far = far, near
		}
		path = append(path, hashSpan(piece[far.start-n.start:far.end()-n.start], far.start, 0))
		s = near
	}
	slices.Reverse(path)
	return ChunkProof{Data: slices.Clone(piece[s.start-n.start : s.end()-n.start]), Path: path}, nil
}

// VerifyChunk checks that a proof's data is the chunk with the given index of the content with the given root and
// length. The path must have exactly the length of the index's path in that tree.
func VerifyChunk(root remora.Hash, length, index uint64, p ChunkProof) error {
	size, err := ChunkLength(length, index)
	if err != nil {
		return err
	}
	if len(p.Data) != size {
		return fmt.Errorf("%w: chunk %d of %d bytes, want %d", ErrProof, index, len(p.Data), size)
	}
	var isRight [maxDepth]bool // from the root
	depth := 0
	for s := (span{0, length}); s.length > ChunkSize; depth++ {
		left, right := s.split()
		isRight[depth] = index*ChunkSize >= right.start
		if s = left; isRight[depth] {
			s = right
		}
	}
	if len(p.Path) != depth {
		return fmt.Errorf("%w: path of %d values, chunk %d needs %d", ErrProof, len(p.Path), index, depth)
	}
	cv := hashSpan(p.Data, index*ChunkSize, rootFlag(depth == 0))
	for i, sibling := range p.Path {
		level := depth - 1 - i
		pair := concatHashes(cv, sibling)
		if isRight[level] {
			pair = concatHashes(sibling, cv)
		}
		cv = hashPair(&pair, rootFlag(level == 0))
	}
	if cv != root {
		return &Mismatch{index * ChunkSize, uint64(size)}
	}
	return nil
}
