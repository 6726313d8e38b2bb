package store

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/proofs/content"
)

// Stream writes the verified stream of a range of an object to w. Each piece is verified before it is written; a damaged
// object is dropped from the store, so that it is fetched again. The error then holds a content.Mismatch that says where.
func (s *Store) Stream(w io.Writer, root remora.Hash, rng content.Range) error {
	return s.read(root, time.Now(), func(data, tree io.ReaderAt, length uint64) error {
		e, err := content.NewEncoder(data, tree, root, length, rng)
		if err != nil {
			return err
		}
		_, err = e.WriteTo(w)
		return err
	})
}

// ProveChunk makes the proof of a chunk of an object and verifies it.
func (s *Store) ProveChunk(root remora.Hash, index uint64) (proof content.ChunkProof, err error) {
	err = s.read(root, time.Now(), func(data, tree io.ReaderAt, length uint64) (err error) {
		if proof, err = content.ProveChunk(data, tree, length, index); err == nil {
			err = content.VerifyChunk(root, length, index, proof)
		}
		return err
	})
	if err != nil {
		return content.ChunkProof{}, err
	}
	return proof, nil
}

// read opens the files of an object and drops it if they turn out to be damaged. An object counts as used at the given
// time; the zero time says that it was only looked after.
func (s *Store) read(root remora.Hash, at time.Time, use func(data, tree io.ReaderAt, length uint64) error) error {
	length, held := s.touch(root, at)
	if !held {
		return fmt.Errorf("content %s: %w", root, remora.ErrNotFound)
	}
	data, err := os.Open(s.path(root, dataSuffix))
	if err != nil {
		return s.checkDamage(root, err)
	}
	defer data.Close()
	tree, err := os.Open(s.path(root, treeSuffix))
	if err != nil {
		return s.checkDamage(root, err)
	}
	defer tree.Close()
	return s.checkDamage(root, use(data, tree, length))
}

func (s *Store) touch(root remora.Hash, at time.Time) (length uint64, held bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, held := s.objects[root]
	if !held {
		return 0, false
	}
	if !at.IsZero() {
		o.used = at
	}
	return o.length, true
}

// checkDamage drops an object whose files are gone or do not verify. Other errors, such as too many open files, say
// nothing about it.
func (s *Store) checkDamage(root remora.Hash, err error) error {
	if !errors.Is(err, content.ErrMismatch) && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return errors.Join(fmt.Errorf("%w: %s: %w", ErrDamaged, root, err), s.Remove(root))
}

// Verify reads all of an object and drops it if it is damaged. Its verified stream goes to progress, whose error ends it.
// The object does not count as used.
func (s *Store) Verify(root remora.Hash, progress io.Writer) error {
	return s.read(root, time.Time{}, func(data, tree io.ReaderAt, length uint64) error {
		e, err := content.NewEncoder(data, tree, root, length, content.Whole(length))
		if err != nil {
			return err
		}
		_, err = e.WriteTo(progress)
		return err
	})
}

// Scrubbed is what Scrub found.
type Scrubbed struct {
	Objects int    // verified, the damaged ones included
	Bytes   uint64 // of them
	Damaged []remora.Hash
}

// Scrub verifies every object as fast as it goes, and drops the damaged ones. It stops early when ctx ends or when the
// disk fails in another way than by wrong bytes.
func (s *Store) Scrub(ctx context.Context) (Scrubbed, error) {
	var found Scrubbed
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

// untilDone takes bytes until its context ends.
type untilDone struct{ ctx context.Context }

// Write implements io.Writer.
func (u untilDone) Write(p []byte) (int, error) { return len(p), u.ctx.Err() }
