package content

import "github.com/remora-network/remora"

// walk visits and verifies the nodes that a range touches in pre-order, the order of a stream. It moves in groups: a piece
// and the pairs directly before it.
type walk struct {
	stack []node // to be visited, the next one last; the range touches each
	rng   Range  // aligned
}

func newWalk(root remora.Hash, length uint64, rng Range) (walk, error) {
	if err := rng.Check(length); err != nil {
		return walk{}, err
	}
	stack := make([]node, 1, maxDepth+1)
	stack[0] = topNode(root, length)
	return walk{stack, rng.Align(length)}, nil
}

func (w *walk) isDone() bool { return len(w.stack) == 0 }

func (w *walk) nextNode() node { return w.stack[len(w.stack)-1] }

// visitPair verifies the pair of the next node, which spans several pieces.
func (w *walk) visitPair(pair *[PairSize]byte) error {
	n := w.nextNode()
	if hashPair(pair, n.flags) != n.cv {
		return &Mismatch{n.start, n.length}
	}
	left, right := n.childNodes(pair)
	w.stack = w.stack[:len(w.stack)-1]
	if w.rng.touchesSpan(right.span) {
		w.stack = append(w.stack, right)
	}
	if w.rng.touchesSpan(left.span) {
		w.stack = append(w.stack, left)
	}
	return nil
}

// visitPiece verifies the bytes of the next node, which is one piece.
func (w *walk) visitPiece(data []byte) error {
	if n := w.nextNode(); hashSpan(data, n.start, n.flags) != n.cv {
		return &Mismatch{n.start, n.length}
	}
	w.stack = w.stack[:len(w.stack)-1]
	return nil
}

// groupShape returns the number of pairs in the next group and the number of bytes in the piece after them.
func (w *walk) groupShape() (pairs, size int) {
	s := w.nextNode().span
	for ; s.length > PieceSize; pairs++ {
		left, right := s.split()
		if s = right; w.rng.touchesSpan(left) {
			s = left
		}
	}
	return pairs, int(s.length)
}
