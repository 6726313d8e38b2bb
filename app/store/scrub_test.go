package store

import (
	"context"
	"errors"

	"github.com/remora-network/remora"
)

// scrubbed describes what scrubAll verified.
type scrubbed struct {
	Objects int    // including the damaged ones
	Bytes   uint64 // of all objects
	Damaged []remora.Hash
}

// scrubAll verifies every object at full speed. It stops early when ctx ends or when the disk fails other than by wrong
// bytes.
func scrubAll(ctx context.Context, s *Store) (scrubbed, error) {
	var found scrubbed
	for _, c := range s.List() {
		err := s.Verify(c.Root, untilDone{ctx})
		switch {
		case errors.Is(err, remora.ErrNotFound): // removed meanwhile
			continue
		case errors.Is(err, ErrDamaged):
			found.Damaged = append(found.Damaged, c.Root)
		case err != nil:
			return found, err
		}
		found.Objects++
		found.Bytes += c.Length
	}
	return found, ctx.Err()
}

// untilDone accepts bytes until its context ends.
type untilDone struct{ ctx context.Context }

// Write implements io.Writer.
func (u untilDone) Write(p []byte) (int, error) { return len(p), u.ctx.Err() }
