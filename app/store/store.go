// Package store keeps content on disk: one flat file per object with the outboard of its tree beside it. Whatever it
// hands out was verified while it was read, so a damaged piece never leaves.
//
// An object counts once both files are synced under their names. What a crash leaves besides is under tmp, which Open
// empties, or under partial, whose contents are verified anew before they are built on.
package store

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/durable"
	"github.com/remora-network/remora/proofs/content"
)

// Sentinels.
var (
	ErrQuota    = errors.New("content store is full: raise content.quota_mib or remove content")
	ErrNoSpace  = errors.New("no space left on the disk of the content store: free some or lower content.quota_mib")
	ErrDamaged  = errors.New("content is damaged on disk; it is fetched again")
	ErrLocked   = errors.New("content store is in use by another process")
	ErrMismatch = errors.New("bytes are not the content that was announced")
)

// Options configure a Store.
type Options struct {
	Quota uint64 // bytes of content; 0: no limit
	Evict bool   // make room by removing what was not used for longest; without it a full store refuses
	// Fault is what a write of so many bytes to the disk fails with, 0 for a sync. It lets tests fill the disk; nil: nothing.
	Fault func(bytes int) error
}

// Store is a directory of content. It is safe for use by several goroutines.
type Store struct {
	dir  string
	opts Options
	lock *os.File

	adopting sync.Mutex // one object at a time gets its name; taken before mu

	mu       sync.Mutex
	objects  map[remora.Hash]*object // those that are whole
	used     uint64                  // bytes of them, of what is being received and of what was left half received
	incoming map[remora.Hash]bool
	left     map[remora.Hash]uint64 // bytes of objects half received that nobody is receiving
	pins     map[remora.Hash]bool
}

// object is what the store remembers of a whole object.
type object struct {
	length uint64
	used   time.Time // when it was last read, or came
}

const (
	objectsDir = "objects"
	partialDir = "partial"
	tmpDir     = "tmp"
	pinsDir    = "pins"
	dataSuffix = ".data"
	treeSuffix = ".obao"
	copyBuffer = 256 << 10
)

// Open opens or creates the store in dir, which it locks.
func Open(dir string, opts Options) (*Store, error) {
	for _, sub := range []string{objectsDir, partialDir, tmpDir, pinsDir} {
		if err := os.MkdirAll(filepath.Join(dir, sub), 0o700); err != nil {
			return nil, fmt.Errorf("content store: %w", err)
		}
	}
	lock, err := takeLock(dir)
	if err != nil {
		return nil, err
	}
	s := &Store{
		dir: dir, opts: opts, lock: lock,
		objects: map[remora.Hash]*object{}, incoming: map[remora.Hash]bool{},
		left: map[remora.Hash]uint64{}, pins: map[remora.Hash]bool{},
	}
	if err := s.load(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return s, nil
}

// Close unlocks the store.
func (s *Store) Close() error { return s.lock.Close() }

func (s *Store) tmp() string { return filepath.Join(s.dir, tmpDir) }

func (s *Store) path(root remora.Hash, suffix string) string {
	name := root.String()
	return filepath.Join(s.dir, objectsDir, name[:2], name+suffix)
}

// Length returns the length of an object, and whether it is here.
func (s *Store) Length(root remora.Hash) (uint64, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, held := s.objects[root]
	if !held {
		return 0, false
	}
	return o.length, true
}

// List returns the objects that the store holds, in the order of their roots.
func (s *Store) List() []remora.Content {
	s.mu.Lock()
	defer s.mu.Unlock()
	list := make([]remora.Content, 0, len(s.objects))
	for root, o := range s.objects {
		list = append(list, remora.Content{Root: root, Length: o.length})
	}
	slices.SortFunc(list, func(a, b remora.Content) int { return bytes.Compare(a.Root[:], b.Root[:]) })
	return list
}

// Used returns the bytes of content that the store holds.
func (s *Store) Used() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.used
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
	data, err := s.createTemp("import-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, data.discard()) }()
	tree, err := s.createTemp("tree-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tree.discard()) }()
	pairs := bufio.NewWriter(tree)
	w := content.NewWriter(pairs)
	buf := make([]byte, copyBuffer)
	if _, err := io.CopyBuffer(io.MultiWriter(data, w), io.LimitReader(r, int64(want.Length)+1), buf); err != nil {
		return err
	}
	root, length, err := w.Finish()
	if err == nil {
		err = pairs.Flush()
	}
	if err != nil {
		return err
	}
	if root != want.Root || length != want.Length {
		return fmt.Errorf("%w: got %d bytes with root %s, want %d with %s", ErrMismatch, length, root, want.Length, want.Root)
	}
	return s.adopt(want, data, tree)
}

// adopt syncs the files of a verified object and gives them their names. An error leaves no object.
func (s *Store) adopt(c remora.Content, data, tree disk) error {
	toData, toTree := s.path(c.Root, dataSuffix), s.path(c.Root, treeSuffix)
	dir := filepath.Dir(toData)
	if err := errors.Join(data.Sync(), tree.Sync(), os.MkdirAll(dir, 0o700)); err != nil {
		return err
	}
	s.adopting.Lock()
	defer s.adopting.Unlock()
	if _, twice := s.Length(c.Root); twice {
		s.release(c.Length) // two came at once: one copy counts, the first
		return errors.Join(unlink(data.Name()), unlink(tree.Name()))
	}
	if err := s.place(data, tree, toData, toTree); err != nil {
		return err
	}
	if err := errors.Join(durable.SyncDir(dir), durable.SyncDir(filepath.Dir(dir))); err != nil {
		return errors.Join(err, os.Rename(toTree, tree.Name()), os.Rename(toData, data.Name()))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.objects[c.Root] = &object{c.Length, time.Now()}
	return nil
}

// Remove deletes an object. A pin on it stays, for when it comes again.
func (s *Store) Remove(root remora.Hash) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.remove(root)
}

// remove is Remove for who holds the mutex. The tree goes first: without it the rest is no object.
func (s *Store) remove(root remora.Hash) error {
	o, held := s.objects[root]
	if !held {
		return nil
	}
	delete(s.objects, root)
	s.used -= o.length
	return errors.Join(unlink(s.path(root, treeSuffix)), unlink(s.path(root, dataSuffix)))
}
