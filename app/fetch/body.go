package fetch

import (
	"bytes"
	"errors"
	"fmt"
	"io"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/proofs/content"
)

// body is a content being fetched: its first have bytes are verified and written.
type body struct {
	content   remora.Content
	directory bool
	have      uint64
	data      io.WriterAt
	tree      io.WriterAt // takes the pairs above what is written; nil for a body that is not resumed
}

// checkEmpty checks that the root is that of no bytes.
func (b *body) checkEmpty() error {
	root, _, err := content.Root(bytes.NewReader(nil))
	if err == nil && root != b.content.Root {
		return fmt.Errorf("%w: the gateway says that it is empty", ErrUnverified)
	}
	return err
}

// writeSegment verifies a segment that begins at have and writes its pieces up to the first error. The error matches
// ErrUnverified if and only if the segment is not the content.
func (b *body) writeSegment(s segment) error {
	d, err := content.NewDecoder(bytes.NewReader(s.stream), b.content.Root, b.content.Length, s.r)
	if err != nil {
		return err
	}
	if b.tree != nil {
		d.KeepPairs(b.tree)
	}
	for {
		piece, err := d.Next()
		switch {
		case errors.Is(err, io.EOF):
			return nil
		case isFalseStream(err):
			return fmt.Errorf("%w: after %d verified bytes: %w", ErrUnverified, b.have, err)
		case err != nil:
			return err
		}
		if _, err := b.data.WriteAt(piece.Data, int64(piece.Offset)); err != nil {
			return err
		}
		b.have = piece.Offset + uint64(len(piece.Data))
	}
}

// isFalseStream reports whether an error of the decoder blames the stream, not the disk.
func isFalseStream(err error) bool {
	var mismatch *content.Mismatch
	return errors.As(err, &mismatch) || errors.Is(err, content.ErrTrailing) || errors.Is(err, io.ErrUnexpectedEOF)
}

// memory is a content of fixed length in memory.
type memory []byte

// WriteAt implements io.WriterAt.
func (m memory) WriteAt(p []byte, offset int64) (int, error) { return copy(m[offset:], p), nil }
