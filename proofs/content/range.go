package content

import "fmt"

// Range is a run of bytes of a content.
type Range struct{ Offset, Length uint64 }

// Whole returns the range of all bytes of a content.
func Whole(length uint64) Range { return Range{0, length} }

// End returns the offset after the last byte.
func (r Range) End() uint64 { return r.Offset + r.Length }

// Check refuses a range outside a content of the given length, and an empty range of a content that is not empty.
func (r Range) Check(length uint64) error {
	if err := checkLength(length); err != nil {
		return err
	}
	if r.Offset > length || r.Length > length-r.Offset {
		return fmt.Errorf("%w: %d bytes at %d of %d", ErrRange, r.Length, r.Offset, length)
	}
	if r.Length == 0 && length != 0 {
		return fmt.Errorf("%w: no bytes at %d: ask for one at least", ErrRange, r.Offset)
	}
	return nil
}

// Align returns the range extended to whole pieces, as it is sent. The range must have passed Check.
func (r Range) Align(length uint64) Range {
	start := r.Offset - r.Offset%PieceSize
	end := min(length, (r.End()+PieceSize-1)/PieceSize*PieceSize)
	return Range{start, end - start}
}

// StreamSize returns the size in bytes of the verified stream of a range.
func StreamSize(length uint64, r Range) (uint64, error) {
	if err := r.Check(length); err != nil {
		return 0, err
	}
	r = r.Align(length)
	return r.Length + r.countPairs(span{0, length})*PairSize, nil
}

// countPairs returns the number of pairs at and below a span's node that the stream of the range holds.
func (r Range) countPairs(s span) uint64 {
	switch {
	case s.length <= PieceSize || !r.touchesSpan(s):
		return 0
	case r.Offset <= s.start && s.end() <= r.End():
		return s.countParents()
	}
	left, right := s.split()
	return 1 + r.countPairs(left) + r.countPairs(right)
}

func (r Range) touchesSpan(s span) bool { return s.start < r.End() && r.Offset < s.end() }
