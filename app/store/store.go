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
	ErrDamaged  = errors.New("content is damaged on disk and was removed: fetch it again")
	ErrLocked   = errors.New("content store is in use by another process")
	ErrMismatch = errors.New("bytes do not match the announced content")
)

// Options configure a Store.
type Options struct {
	Quota uint64 // bytes of content; 0: no limit
	Evict bool   // remove the least recently used objects to make room; false: a full store refuses
	// Fault, if set, returns the error of a write of some bytes, or of a sync for 0. Tests fill the disk with it.
	Fault func(bytes int) error
}

// Store is a directory of content. Its methods may be called from any goroutine.
type Store struct {
	dir  string
	opts Options
	lock *os.File

	adopting sync.Mutex // one object at a time gets its name; locked before mu

	mu       sync.Mutex
	objects  map[remora.Hash]*object // complete ones
	used     uint64                  // bytes of complete, incoming and partial objects
	incoming map[remora.Hash]bool    // being received
	partials map[remora.Hash]uint64  // bytes of partial objects that are not being received
	pins     map[remora.Hash]bool
}

// object is a complete object.
type object struct {
	length uint64
	used   time.Time // time of the last read, or of its arrival
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
	lock, err := lockDirectory(dir)
	if err != nil {
		return nil, err
	}
	s := &Store{
		dir: dir, opts: opts, lock: lock,
		objects: map[remora.Hash]*object{}, incoming: map[remora.Hash]bool{},
		partials: map[remora.Hash]uint64{}, pins: map[remora.Hash]bool{},
	}
	if err := s.loadContents(); err != nil {
		return nil, errors.Join(err, lock.Close())
	}
	return s, nil
}

// Close unlocks the store.
func (s *Store) Close() error { return s.lock.Close() }

func (s *Store) tempPath() string { return filepath.Join(s.dir, tmpDir) }

func (s *Store) objectPath(root remora.Hash, suffix string) string {
	name := root.String()
	return filepath.Join(s.dir, objectsDir, name[:2], name+suffix)
}

// Length returns the length of an object, and whether it is stored.
func (s *Store) Length(root remora.Hash) (uint64, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	o, held := s.objects[root]
	if !held {
		return 0, false
	}
	return o.length, true
}

// List returns the stored objects in the order of their roots.
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

// Used returns the bytes of the quota that are in use, including those of objects that are being received.
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
	if err := s.reserveBytes(want.Length); err != nil {
		return err
	}
	if err := s.importReserved(r, want); err != nil {
		s.releaseBytes(want.Length)
		return diskError(err)
	}
	return nil
}

func (s *Store) importReserved(r io.Reader, want remora.Content) (err error) {
	data, err := s.createTemp("import-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, data.discardFile()) }()
	tree, err := s.createTemp("tree-*")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, tree.discardFile()) }()
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
	return s.adoptObject(want, data, tree)
}

// adoptObject syncs the files of a verified object and gives them their names. After an error there is no object.
func (s *Store) adoptObject(c remora.Content, data, tree disk) error {
	toData, toTree := s.objectPath(c.Root, dataSuffix), s.objectPath(c.Root, treeSuffix)
	dir := filepath.Dir(toData)
	if err := errors.Join(data.Sync(), tree.Sync(), os.MkdirAll(dir, 0o700)); err != nil {
		return err
	}
	s.adopting.Lock()
	defer s.adopting.Unlock()
	if _, twice := s.Length(c.Root); twice {
		s.releaseBytes(c.Length) // received twice at the same time: the first copy stays
		return errors.Join(removeIfPresent(data.Name()), removeIfPresent(tree.Name()))
	}
	if err := s.placeFiles(data, tree, toData, toTree); err != nil {
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

// Remove deletes an object. A pin on it stays, in case it is stored again.
func (s *Store) Remove(root remora.Hash) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.removeObject(root)
}

// removeObject is Remove with the mutex held. The tree is removed first: without it the object does not count.
func (s *Store) removeObject(root remora.Hash) error {
	o, held := s.objects[root]
	if !held {
		return nil
	}
	delete(s.objects, root)
	s.used -= o.length
	return errors.Join(removeIfPresent(s.objectPath(root, treeSuffix)), removeIfPresent(s.objectPath(root, dataSuffix)))
}
