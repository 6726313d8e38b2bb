package content

import (
	"fmt"
	"io"

	"lukechampine.com/blake3/guts"

	"github.com/remora-network/remora"
)

// Writer computes the root of the bytes written to it and appends their outboard to a writer, 64 bytes at a time.
// Its memory is one piece and the path to it.
type Writer struct {
	outboard io.Writer
	buf      [PieceSize]byte // of which the first filled bytes are not hashed yet: the last piece may be the root
	filled   int
	pieces   uint64        // hashed
	stack    []remora.Hash // of complete subtrees, largest first: one for each bit that is set in pieces
	err      error
}

// NewWriter returns a Writer that appends to outboard; io.Discard where only the root is wanted.
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

// addPiece hashes a piece that is not the last, and joins the subtrees that it completes.
func (w *Writer) addPiece(piece []byte) {
	cv := hashSpan(piece, w.pieces*PieceSize, 0)
	for n := w.pieces; n&1 == 1; n >>= 1 {
		cv = w.joinSubtree(cv, 0)
	}
	w.stack = append(w.stack, cv)
	w.pieces++
}

// joinSubtree puts the topmost subtree of the stack to the left of cv.
func (w *Writer) joinSubtree(cv remora.Hash, flags uint32) remora.Hash {
	left := len(w.stack) - 1
	pair := concatHashes(w.stack[left], cv)
	w.stack = w.stack[:left]
	if w.err == nil {
		_, w.err = w.outboard.Write(pair[:])
	}
	return hashPair(&pair, flags)
}

// Finish ends the content, which takes no more writes, and returns its root and length.
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
