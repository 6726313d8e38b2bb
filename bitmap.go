package remora

import (
	"fmt"
	"iter"
	"slices"
)

// Bitmap is a set of committee members: bit i%8 of byte i/8 is member i. Its length is ceil(n/8) and the bits above n
// are zero, so a set has one encoding.
type Bitmap []byte

// NewBitmap returns the set of the given members of a committee of size n.
func NewBitmap(n int, members ...Authority) Bitmap {
	b := make(Bitmap, (n+7)/8)
	for _, a := range members {
		b.Add(a)
	}
	return b
}

// Check refuses a length or trailing bits that do not fit a committee of size n.
func (b Bitmap) Check(n int) error {
	if len(b) != (n+7)/8 {
		return fmt.Errorf("%w: bitmap of %d bytes for a committee of %d", ErrInvalid, len(b), n)
	}
	if n%8 != 0 && b[len(b)-1]>>(n%8) != 0 {
		return fmt.Errorf("%w: bitmap has bits above the committee of %d", ErrInvalid, n)
	}
	return nil
}

// Add adds a member of the committee to the set. The bitmap must come from NewBitmap or have passed Check.
func (b Bitmap) Add(a Authority) { b[a/8] |= 1 << (a % 8) }

// Has reports whether a member is in the set.
func (b Bitmap) Has(a Authority) bool { return int(a/8) < len(b) && b[a/8]&(1<<(a%8)) != 0 }

// Count returns the number of members.
func (b Bitmap) Count() int { return len(slices.Collect(b.Members())) }

// Members yields the set in increasing order.
func (b Bitmap) Members() iter.Seq[Authority] {
	return func(yield func(Authority) bool) {
		for i := range Authority(8 * len(b)) {
			if b.Has(i) && !yield(i) {
				return
			}
		}
	}
}
