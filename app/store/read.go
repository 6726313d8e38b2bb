package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/proofs/content"
)

// Stream writes the verified stream of a range of an object to w. Each piece is verified before it is written. A
// damaged object is removed from the store, so that it is fetched again; the error then holds a content.Mismatch with
// the place.
func (s *Store) Stream(w io.Writer, root remora.Hash, rng content.Range) error {
	return s.readObject(root, time.Now(), func(data, tree io.ReaderAt, length uint64) error {
		e, err := content.NewEncoder(data, tree, root, length, rng)
		if err != nil {
			return err
		}
		_, err = e.WriteTo(w)
		return err
	})
}

// ProveChunk returns the proof of a chunk of an object, which it has verified.
func (s *Store) ProveChunk(root remora.Hash, index uint64) (proof content.ChunkProof, err error) {
	err = s.readObject(root, time.Now(), func(data, tree io.ReaderAt, length uint64) (err error) {
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

// readObject calls use with the files of an object, and removes the object if they turn out to be damaged. It sets the
// time of the object's last use, unless at is zero, as for scrubbing.
func (s *Store) readObject(root remora.Hash, at time.Time, use func(data, tree io.ReaderAt, length uint64) error) error {
	length, held := s.touchObject(root, at)
	if !held {
		return fmt.Errorf("content %s: %w", root, remora.ErrNotFound)
	}
	data, err := os.Open(s.objectPath(root, dataSuffix))
	if err != nil {
		return s.checkDamage(root, err)
	}
	defer data.Close()
	tree, err := os.Open(s.objectPath(root, treeSuffix))
	if err != nil {
		return s.checkDamage(root, err)
	}
	defer tree.Close()
	return s.checkDamage(root, use(data, tree, length))
}

func (s *Store) touchObject(root remora.Hash, at time.Time) (length uint64, held bool) {
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

// checkDamage removes an object whose files are missing or do not verify. Other errors, such as too many open files, do
// not show damage.
func (s *Store) checkDamage(root remora.Hash, err error) error {
	if !errors.Is(err, content.ErrMismatch) && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return errors.Join(fmt.Errorf("%w: %s: %w", ErrDamaged, root, err), s.Remove(root))
}

// Verify reads an entire object and removes it if it is damaged. Its verified stream is written to progress, whose
// error ends the reading. The object does not count as used.
func (s *Store) Verify(root remora.Hash, progress io.Writer) error {
	return s.readObject(root, time.Time{}, func(data, tree io.ReaderAt, length uint64) error {
		e, err := content.NewEncoder(data, tree, root, length, content.Whole(length))
		if err != nil {
			return err
		}
		_, err = e.WriteTo(progress)
		return err
	})
}
