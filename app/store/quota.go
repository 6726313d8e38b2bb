package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/durable"
)

// reserve takes n bytes of the quota. Where they are not free, what was left half received makes room, then, if the
// store evicts, whole objects that are not pinned, those first that were not used for longest.
func (s *Store) reserve(n uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.fits(n, s.used-s.evictable()) {
		return fmt.Errorf("%w: %d of %d bytes are used, %d more are needed", ErrQuota, s.used, s.opts.Quota, n)
	}
	for !s.fits(n, s.used) {
		if err := s.drop(s.victim()); err != nil {
			return err
		}
	}
	s.used += n
	return nil
}

// fits reports whether n bytes have room beside those that are used.
func (s *Store) fits(n, used uint64) bool {
	return s.opts.Quota == 0 || n <= s.opts.Quota && used <= s.opts.Quota-n
}

// evictable returns how many bytes could be given up.
func (s *Store) evictable() uint64 {
	var sum uint64
	for _, size := range s.left {
		sum += size
	}
	if !s.opts.Evict {
		return sum
	}
	for root, o := range s.objects {
		if !s.pins[root] {
			sum += o.length
		}
	}
	return sum
}

// victim chooses what to give up next, of what evictable counts.
func (s *Store) victim() (victim remora.Hash) {
	for root := range s.left {
		return root
	}
	found := false
	for root, o := range s.objects {
		if !s.pins[root] && (!found || o.used.Before(s.objects[victim].used)) {
			victim, found = root, true
		}
	}
	return victim
}

func (s *Store) drop(root remora.Hash) error {
	size, half := s.left[root]
	if !half {
		return s.remove(root)
	}
	delete(s.left, root)
	s.used -= size
	return errors.Join(unlink(s.partialPath(root, dataSuffix)), unlink(s.partialPath(root, treeSuffix)))
}

func (s *Store) release(n uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used -= n
}

// leave notes that nobody receives an object any more of which n bytes are here.
func (s *Store) leave(root remora.Hash, n uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.incoming, root)
	s.left[root] = n
	s.used += n
}

// takeLeft is the opposite of leave: somebody receives the object again, and reserves all of it.
func (s *Store) takeLeft(root remora.Hash) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.left[root]
	s.used -= n
	delete(s.left, root)
	return n
}

// arrived notes that an object is no longer being received because it is whole.
func (s *Store) arrived(root remora.Hash) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.incoming, root)
}

func (s *Store) partialPath(root remora.Hash, suffix string) string {
	return filepath.Join(s.dir, partialDir, root.String()+suffix)
}

// Pin keeps an object from being evicted, now or once it comes. It is durable when Pin returns.
func (s *Store) Pin(root remora.Hash) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	dir := filepath.Join(s.dir, pinsDir)
	if err := os.WriteFile(filepath.Join(dir, root.String()), nil, 0o600); err != nil {
		return diskError(err)
	}
	s.pins[root] = true
	return durable.SyncDir(dir)
}

// Unpin takes a pin back.
func (s *Store) Unpin(root remora.Hash) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.pins, root)
	return unlink(filepath.Join(s.dir, pinsDir, root.String()))
}

// Pinned reports whether an object is pinned, be it here or not.
func (s *Store) Pinned(root remora.Hash) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pins[root]
}
