package store

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/proofs/content"
)

// takeLock locks the directory for this process, whose id it writes into the lock's file. The kernel lets go of the
// lock when the process ends, however it ends.
func takeLock(dir string) (*os.File, error) {
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("content store: %w", err)
	}
	err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, errors.Join(fmt.Errorf("%w: %s is held by process %s", ErrLocked, dir, holder(lock)), lock.Close())
	}
	if err == nil {
		err = lock.Truncate(0)
	}
	if err == nil {
		_, err = lock.WriteAt([]byte(strconv.Itoa(os.Getpid())), 0)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("content store: lock %s: %w", dir, err), lock.Close())
	}
	return lock, nil
}

// holder reads who has the lock; it may just be writing its id.
func holder(lock *os.File) string {
	var text [20]byte
	n, _ := lock.ReadAt(text[:], 0)
	pid, err := strconv.ParseUint(string(text[:n]), 10, 64)
	if err != nil {
		return "(unknown)"
	}
	return strconv.FormatUint(pid, 10)
}

// load lists what is whole and what was left half received, and removes what a crash left besides.
func (s *Store) load() error {
	if err := errors.Join(s.emptyTmp(), s.loadObjects(), s.loadPartials(), s.loadPins()); err != nil {
		return fmt.Errorf("content store: %w", err)
	}
	return nil
}

func (s *Store) emptyTmp() error {
	left, err := os.ReadDir(s.tmp())
	for _, f := range left {
		err = errors.Join(err, unlink(filepath.Join(s.tmp(), f.Name())))
	}
	return err
}

// parseName splits the name of a file of the store. ok is false for what is not the store's.
func parseName(name string) (root remora.Hash, suffix string, ok bool) {
	suffix = filepath.Ext(name)
	if suffix != dataSuffix && suffix != treeSuffix {
		return root, "", false
	}
	root, err := remora.ParseHash(strings.TrimSuffix(name, suffix))
	return root, suffix, err == nil
}

func (s *Store) loadObjects() error {
	dir := filepath.Join(s.dir, objectsDir)
	shelves, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, shelf := range shelves {
		if !shelf.IsDir() {
			continue
		}
		files, err := os.ReadDir(filepath.Join(dir, shelf.Name()))
		if err != nil {
			return err
		}
		for _, f := range files {
			if err := s.loadObject(filepath.Join(dir, shelf.Name(), f.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}

// loadObject lists the object that a file belongs to, or removes the file where the object is not whole: it is
// received again then. What is not the store's stays.
func (s *Store) loadObject(name string) error {
	root, suffix, ours := parseName(filepath.Base(name))
	if !ours || name != s.path(root, suffix) {
		return nil
	}
	o, whole, err := s.stat(root)
	if err != nil {
		return err
	}
	if !whole {
		return unlink(name)
	}
	if suffix == treeSuffix {
		s.objects[root] = o
		s.used += o.length
	}
	return nil
}

// stat reports whether both files of an object are there and have sizes that fit each other.
func (s *Store) stat(root remora.Hash) (o *object, whole bool, err error) {
	data, err := os.Stat(s.path(root, dataSuffix))
	if err == nil {
		var tree os.FileInfo
		if tree, err = os.Stat(s.path(root, treeSuffix)); err == nil {
			length := uint64(data.Size())
			return &object{length, data.ModTime()}, tree.Size() == int64(content.OutboardSize(length)), nil
		}
	}
	if errors.Is(err, os.ErrNotExist) {
		return nil, false, nil
	}
	return nil, false, err
}

func (s *Store) loadPartials() error {
	found, err := os.ReadDir(filepath.Join(s.dir, partialDir))
	if err != nil {
		return err
	}
	for _, f := range found {
		root, suffix, ours := parseName(f.Name())
		if !ours || suffix != dataSuffix {
			continue
		}
		info, err := f.Info()
		if err != nil {
			return err
		}
		s.left[root] = uint64(info.Size())
		s.used += s.left[root]
	}
	return nil
}

func (s *Store) loadPins() error {
	found, err := os.ReadDir(filepath.Join(s.dir, pinsDir))
	for _, f := range found {
		if root, bad := remora.ParseHash(f.Name()); bad == nil {
			s.pins[root] = true
		}
	}
	return err
}
