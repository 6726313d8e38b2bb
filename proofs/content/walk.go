package content

import "github.com/remora-network/remora"

// walk visits in pre-order the nodes that a range touches, verifying each before the next: the order of a stream.
// It moves in groups: one piece and the pairs that precede it.
type walk struct {
	stack []node // still to visit, the next one last; each is touched by the range
	rng   Range  // aligned
}

func newWalk(root remora.Hash, length uint64, rng Range) (walk, error) {
	if err := rng.Check(length); err != nil {
		return walk{}, err
	}
	stack := make([]node, 1, maxDepth+1)
	stack[0] = top(root, length)
	return walk{stack, rng.Align(length)}, nil
}

func (w *walk) done() bool { return len(w.stack) == 0 }

func (w *walk) next() node { return w.stack[len(w.stack)-1] }

// pair verifies the pair of the next node, which spans several pieces.
func (w *walk) pair(pair *[PairSize]byte) error {
	left, right, err := w.next().open(pair)
	if err != nil {
		return err
	}
	w.stack = w.stack[:len(w.stack)-1]
	if w.rng.touches(right.span) {
		w.stack = append(w.stack, right)
	}
	if w.rng.touches(left.span) {
		w.stack = append(w.stack, left)
	}
	return nil
}

// piece verifies the bytes of the next node, which is one piece.
func (w *walk) piece(data []byte) error {
	if err := w.next().check(data); err != nil {
		return err
	}
	w.stack = w.stack[:len(w.stack)-1]
	return nil
}

// group returns the shape of the next group: how many pairs, and how many bytes of content after them.
func (w *walk) group() (pairs, size int) {
	s := w.next().span
	for ; s.length > PieceSize; pairs++ {
		left, right := s.split()
		if s = right; w.rng.touches(left) {
			s = left
		}
	}
	return pairs, int(s.length)
}
