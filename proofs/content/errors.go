package content

import (
	"errors"
	"fmt"
)

// Sentinels of the tree.
var (
	ErrMismatch = errors.New("bytes do not hash to the content root")
	ErrTrailing = errors.New("bytes after the end of the verified stream")
	ErrRange    = errors.New("range outside of the content")
	ErrProof    = errors.New("chunk proof of the wrong shape")
)

// Mismatch says which bytes of the content could not be verified. It is an ErrMismatch.
type Mismatch struct {
	Offset, Length uint64 // one piece, or all that a wrong pair of chaining values stands above
}

// Error names the bytes.
func (m *Mismatch) Error() string {
	return fmt.Sprintf("bytes %d to %d: %v: fetch them from another provider", m.Offset, m.Offset+m.Length, ErrMismatch)
}

// Is reports whether target is ErrMismatch.
func (m *Mismatch) Is(target error) bool { return target == ErrMismatch }
