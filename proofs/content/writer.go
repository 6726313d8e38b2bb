package content

import (
	"fmt"
	"io"

	"lukechampine.com/blake3/guts"

	"github.com/remora-network/remora"
)

// Writer computes the root of the bytes that are written to it, and appends their outboard to a writer in steps of 64
// bytes. Its memory is one piece and the path to it.
type Writer struct {
	outboard io.Writer
	buf      [PieceSize]byte // a piece is hashed only when another follows: the last one may be the root
	filled   int             // bytes of buf in use
	pieces   uint64          // number of hashed pieces
	stack    []remora.Hash   // roots of complete subtrees, largest first: one for each bit set in pieces
	err      error
}

// NewWriter returns a Writer that appends to outboard. Pass io.Discard if only the root is needed.
func NewWriter(outboard io.Writer) *Writer { return &Writer{outboard: outboard} }

// Write adds bytes to the content.
func (w *Writer) Write(p []byte) (int, error) {
	if w.err == nil && uint64(len(p)) > MaxLength-w.lengthSoFar() {
		w.err = fmt.Errorf("content: %w: more than %d bytes", remora.ErrTooLarge, MaxLength)
	}
	if w.err != nil {
		return 0, w.err
	}
	total := len(p)
	for len(p) > 0 {
		if w.filled == PieceSize {
			w.addPiece(w.buf[:])
			w.filled = 0
		}
		if w.filled == 0 && len(p) > PieceSize {
			w.addPiece(p[:PieceSize])
			p = p[PieceSize:]
			continue
		}
		n := copy(w.buf[w.filled:], p)
		w.filled += n
		p = p[n:]
	}
	return total, w.err
}

func (w *Writer) lengthSoFar() uint64 { return w.pieces*PieceSize + uint64(w.filled) }

// addPiece hashes a piece that is not the last one, and joins the subtrees that it completes.
func (w *Writer) addPiece(piece []byte) {
	cv := hashSpan(piece, w.pieces*PieceSize, 0)
	for n := w.pieces; n&1 == 1; n >>= 1 {
		cv = w.joinSubtree(cv, 0)
	}
	w.stack = append(w.stack, cv)
	w.pieces++
}

// joinSubtree pops the top subtree of the stack and returns the parent of it and cv, which is on the right.
func (w *Writer) joinSubtree(cv remora.Hash, flags uint32) remora.Hash {
	left := len(w.stack) - 1
	pair := concatHashes(w.stack[left], cv)
	w.stack = w.stack[:left]
	if w.err == nil {
		_, w.err = w.outboard.Write(pair[:])
	}
	return hashPair(&pair, flags)
}

// Finish ends the content and returns its root and length. The Writer accepts no more writes.
func (w *Writer) Finish() (root remora.Hash, length uint64, err error) {
	length = w.lengthSoFar()
	if w.err != nil {
		return root, length, w.err
	}
	root = hashSpan(w.buf[:w.filled], w.pieces*PieceSize, rootFlag(len(w.stack) == 0))
	for len(w.stack) > 0 {
		root = w.joinSubtree(root, rootFlag(len(w.stack) == 1))
	}
	err = w.err
	w.err = fmt.Errorf("%w: the content is finished", remora.ErrInvalid)
	return root, length, err
}

// Root reads r to its end and returns root and length.
func Root(r io.Reader) (root remora.Hash, length uint64, err error) {
	w := NewWriter(io.Discard)
	if _, err := io.CopyBuffer(struct{ io.Writer }{w}, r, make([]byte, 8*PieceSize)); err != nil {
		return root, 0, err
	}
	return w.Finish()
}

func concatHashes(left, right remora.Hash) (pair [PairSize]byte) {
	copy(pair[:], left[:])
	copy(pair[remora.HashSize:], right[:])
	return pair
}

func rootFlag(isRoot bool) uint32 {
	if isRoot {
		return guts.FlagRoot
	}
	return 0
}
