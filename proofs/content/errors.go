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

// Mismatch names the bytes of the content that could not be verified. It is an ErrMismatch.
type Mismatch struct {
	Offset, Length uint64 // of a piece, or of all bytes below a wrong pair of chaining values
}

// Error names the bytes.
func (m *Mismatch) Error() string {
	return fmt.Sprintf("bytes %d to %d: %v: fetch them from another provider", m.Offset, m.Offset+m.Length, ErrMismatch)
}

// Is reports whether target is ErrMismatch.
func (m *Mismatch) Is(target error) bool { return target == ErrMismatch }
