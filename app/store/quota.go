package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/durable"
)

// reserveBytes reserves n bytes of the quota. If they are not free, partial objects are removed and then, if the store
// evicts, objects that are not pinned, the least recently used first.
func (s *Store) reserveBytes(n uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.fitsQuota(n, s.used-s.evictableBytes()) {
		return fmt.Errorf("%w: %d of %d bytes are used, %d more are needed", ErrQuota, s.used, s.opts.Quota, n)
	}
	for !s.fitsQuota(n, s.used) {
		if err := s.dropVictim(s.chooseVictim()); err != nil {
			return err
		}
	}
	s.used += n
	return nil
}

// fitsQuota reports whether n bytes fit into the quota beside the used ones.
func (s *Store) fitsQuota(n, used uint64) bool {
	return s.opts.Quota == 0 || n <= s.opts.Quota && used <= s.opts.Quota-n
}

// evictableBytes returns the number of bytes that eviction can free.
func (s *Store) evictableBytes() uint64 {
	var sum uint64
	for _, size := range s.partials {
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

// chooseVictim returns the next object to evict, one of those that evictableBytes counts.
func (s *Store) chooseVictim() (victim remora.Hash) {
	for root := range s.partials {
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

func (s *Store) dropVictim(root remora.Hash) error {
	size, half := s.partials[root]
	if !half {
		return s.removeObject(root)
	}
	delete(s.partials, root)
	s.used -= size
	return errors.Join(removeIfPresent(s.partialPath(root, dataSuffix)), removeIfPresent(s.partialPath(root, treeSuffix)))
}

func (s *Store) releaseBytes(n uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used -= n
}

// keepPartial records that an object is no longer being received and that n bytes of it are kept.
func (s *Store) keepPartial(root remora.Hash, n uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.incoming, root)
	s.partials[root] = n
	s.used += n
}

// takePartial is the opposite of keepPartial: the object is received again and all its bytes will be reserved.
func (s *Store) takePartial(root remora.Hash) uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	n := s.partials[root]
	s.used -= n
	delete(s.partials, root)
	return n
}

// endIncoming records that an object is complete and no longer being received.
func (s *Store) endIncoming(root remora.Hash) {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.incoming, root)
}

func (s *Store) partialPath(root remora.Hash, suffix string) string {
	return filepath.Join(s.dir, partialDir, root.String()+suffix)
}

// Pin protects an object from eviction, even if it is not stored yet. The pin is durable when Pin returns.
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

// Unpin removes a pin.
func (s *Store) Unpin(root remora.Hash) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	delete(s.pins, root)
	return removeIfPresent(filepath.Join(s.dir, pinsDir, root.String()))
}

// Pinned reports whether an object is pinned, stored or not.
func (s *Store) Pinned(root remora.Hash) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.pins[root]
}
