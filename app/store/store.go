// Package store keeps content on disk: one flat file per object with the outboard of its tree beside it. Whatever it
// hands out was verified while it was read, so a damaged piece never leaves.
//
// An object counts once both files are synced under their names. What a crash leaves besides is under tmp, which Open
// empties, or under partial, whose contents are verified anew before they are built on.
package store

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"syscall"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/proofs/content"
)

// Sentinels.
var (
	ErrQuota    = errors.New("content store is full: raise content.quota_mib or remove content")
	ErrNoSpace  = errors.New("no space left on the disk of the content store")
	ErrDamaged  = errors.New("content is damaged on disk; it is fetched again")
	ErrLocked   = errors.New("content store is in use by another process")
	ErrMismatch = errors.New("bytes are not the content that was announced")
)

// Options configure a Store.
type Options struct {
	Quota uint64 // bytes of content; 0: no limit
}

// Store is a directory of content. It is safe for use by several goroutines.
type Store struct {
	dir  string
	opts Options
	lock *os.File

	mu       sync.Mutex
	lengths  map[remora.Hash]uint64 // of the objects that are whole
	used     uint64                 // bytes of them and of what is being received
	incoming map[remora.Hash]bool
}

const (
	objectsDir = "objects"
	partialDir = "partial"
	tmpDir     = "tmp"
	dataSuffix = ".data"
	treeSuffix = ".obao"
)

// Open opens or creates the store in dir, which it locks.
func Open(dir string, opts Options) (*Store, error) {
	for _, sub := range []string{objectsDir, partialDir, tmpDir} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, fmt.Errorf("content store: %w", err)
		}
	}
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("content store: %w", err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("%w: %s", ErrLocked, dir), lock.Close())
	}
	s := &Store{dir: dir, opts: opts, lock: lock, lengths: map[remora.Hash]uint64{}, incoming: map[remora.Hash]bool{}}
	if err := s.load(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return s, nil
}

// load lists the objects and removes what a crash left half made.
func (s *Store) load() error {
	left, err := filepath.Glob(filepath.Join(s.dir, tmpDir, "*"))
	if err != nil {
		return err
	}
	for _, name := range left {
		if err := os.Remove(name); err != nil {
			return fmt.Errorf("content store: %w", err)
		}
	}
	trees, err := filepath.Glob(filepath.Join(s.dir, objectsDir, "*", "*"+treeSuffix))
	if err != nil {
		return err
	}
	for _, tree := range trees {
		name := filepath.Base(tree)
		root, err := remora.ParseHash(name[:len(name)-len(treeSuffix)])
		if err != nil {
			continue // not ours
		}
		data, err := os.Stat(s.path(root, dataSuffix))
		outboard, err2 := os.Stat(tree)
		if err != nil || err2 != nil || outboard.Size() != int64(content.OutboardSize(uint64(data.Size()))) {
			continue // not whole: it will be received again, over it
		}
		s.lengths[root] = uint64(data.Size())
		s.used += uint64(data.Size())
	}
	return nil
}

// Close unlocks the store.
func (s *Store) Close() error { return s.lock.Close() }

func (s *Store) path(root remora.Hash, suffix string) string {
	name := root.String()
	return filepath.Join(s.dir, objectsDir, name[:2], name+suffix)
}

// Length returns the length of an object, and whether it is here.
func (s *Store) Length(root remora.Hash) (uint64, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	n, ok := s.lengths[root]
	return n, ok
}

// Used returns the bytes of content that the store holds.
func (s *Store) Used() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used
}

// reserve takes n bytes of the quota.
func (s *Store) reserve(n uint64) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.opts.Quota > 0 && (n > s.opts.Quota || s.used > s.opts.Quota-n) {
		return fmt.Errorf("%w: %d of %d bytes are used, %d more are needed", ErrQuota, s.used, s.opts.Quota, n)
	}
	s.used += n
	return nil
}

func (s *Store) release(n uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.used -= n
}

// Import stores the bytes of r, which must be the given content, and makes them durable.
func (s *Store) Import(r io.Reader, want remora.Content) error {
	if _, held := s.Length(want.Root); held {
		return nil
	}
	if err := s.reserve(want.Length); err != nil {
		return err
	}
	if err := s.importReserved(r, want); err != nil {
		s.release(want.Length)
		return diskError(err)
	}
	return nil
}

func (s *Store) importReserved(r io.Reader, want remora.Content) (err error) {
	data, err := os.CreateTemp(filepath.Join(s.dir, tmpDir), "import-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, discard(data)) }()
	tree, err := os.CreateTemp(filepath.Join(s.dir, tmpDir), "tree-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, discard(tree)) }()
	w := content.NewWriter(tree)
	if _, err := io.Copy(io.MultiWriter(data, w), io.LimitReader(r, int64(want.Length)+1)); err != nil {
		return err
	}
	root, length, err := w.Finish()
	if err != nil {
		return err
	}
	if root != want.Root || length != want.Length {
		return fmt.Errorf("%w: got %d bytes with root %s, want %d with %s", ErrMismatch, length, root, want.Length, want.Root)
	}
	return s.adopt(want, data, tree)
}

// discard closes a temporary file and removes it where it still is.
func discard(f *os.File) error {
	err := f.Close()
	if gone := os.Remove(f.Name()); gone != nil && !errors.Is(gone, os.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	return err
}

// adopt syncs the files of a verified object and moves them to their names, the tree last: an object is whole when its
// tree is there.
func (s *Store) adopt(c remora.Content, data, tree *os.File) error {
	dir := filepath.Dir(s.path(c.Root, ""))
	if err := errors.Join(data.Sync(), tree.Sync(), os.MkdirAll(dir, 0o700)); err != nil {
		return err
	}
	if err := os.Rename(data.Name(), s.path(c.Root, dataSuffix)); err != nil {
		return err
	}
	if err := os.Rename(tree.Name(), s.path(c.Root, treeSuffix)); err != nil {
		return err
	}
	if err := errors.Join(syncDir(dir), syncDir(filepath.Dir(dir))); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if _, twice := s.lengths[c.Root]; twice {
		s.used -= c.Length // two came at once: one copy counts
	}
	s.lengths[c.Root] = c.Length
	return nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

func diskError(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrNoSpace, err)
	}
	return err
}

// Stream writes the verified stream of a range of an object to w. Each piece is verified before it is written; a damaged
// object is dropped from the store, so that it is fetched again.
func (s *Store) Stream(w io.Writer, root remora.Hash, rng content.Range) error {
	length, held := s.Length(root)
	if !held {
		return fmt.Errorf("content %s: %w", root, remora.ErrNotFound)
	}
	data, err := os.Open(s.path(root, dataSuffix))
	if err != nil {
		return s.damaged(root, err)
	}
	defer data.Close()
	tree, err := os.Open(s.path(root, treeSuffix))
	if err != nil {
		return s.damaged(root, err)
	}
	defer tree.Close()
	e, err := content.NewEncoder(data, tree, root, length, rng)
	if err != nil {
		return err
	}
	_, err = e.WriteTo(w)
	var bad *content.Mismatch
	if errors.As(err, &bad) || errors.Is(err, io.ErrUnexpectedEOF) {
		return s.damaged(root, err)
	}
	return err
}

// damaged drops an object.
func (s *Store) damaged(root remora.Hash, cause error) error {
	err := fmt.Errorf("%w: %s: %w", ErrDamaged, root, cause)
	return errors.Join(err, s.Remove(root))
}

// Remove deletes an object.
func (s *Store) Remove(root remora.Hash) error {
	s.mu.Lock()
	length, held := s.lengths[root]
	if held {
		delete(s.lengths, root)
		s.used -= length
	}
	s.mu.Unlock()
	if !held {
		return nil
	}
	tree, data := os.Remove(s.path(root, treeSuffix)), os.Remove(s.path(root, dataSuffix))
	for _, err := range []error{tree, data} {
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			return err
		}
	}
	return nil
}
