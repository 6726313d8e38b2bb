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

// lockDirectory locks the directory for this process and writes the process id into the lock file. The kernel releases
// the lock when the process ends, however it ends.
func lockDirectory(dir string) (*os.File, error) {
	lock, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("content store: %w", err)
	}
	err = syscall.Flock(int(lock.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		return nil, errors.Join(fmt.Errorf("%w: %s is held by process %s", ErrLocked, dir, lockHolder(lock)), lock.Close())
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

// lockHolder returns the process id in a lock file, which its holder may not have written yet.
func lockHolder(lock *os.File) string {
	var text [20]byte
	n, _ := lock.ReadAt(text[:], 0)
	pid, err := strconv.ParseUint(string(text[:n]), 10, 64)
	if err != nil {
		return "(unknown)"
	}
	return strconv.FormatUint(pid, 10)
}

// loadContents lists complete and partial objects and pins, and removes everything else that a crash left.
func (s *Store) loadContents() error {
	if err := errors.Join(s.emptyTempDir(), s.loadObjects(), s.loadPartials(), s.loadPins()); err != nil {
		return fmt.Errorf("content store: %w", err)
	}
	return nil
}

func (s *Store) emptyTempDir() error {
	left, err := os.ReadDir(s.tempPath())
	for _, f := range left {
		err = errors.Join(err, removeIfPresent(filepath.Join(s.tempPath(), f.Name())))
	}
	return err
}

// parseName splits the name of a file of the store. ok is false for other files.
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

// loadObject lists the object to which a file belongs, or removes the file if the object is not complete. Files that
// are not the store's stay.
func (s *Store) loadObject(name string) error {
	root, suffix, ours := parseName(filepath.Base(name))
	if !ours || name != s.objectPath(root, suffix) {
		return nil
	}
	o, whole, err := s.statObject(root)
	if err != nil {
		return err
	}
	if !whole {
		return removeIfPresent(name)
	}
	if suffix == treeSuffix {
		s.objects[root] = o
		s.used += o.length
	}
	return nil
}

// statObject reports whether both files of an object exist and their sizes match.
func (s *Store) statObject(root remora.Hash) (o *object, whole bool, err error) {
	data, err := os.Stat(s.objectPath(root, dataSuffix))
	if err == nil {
		var tree os.FileInfo
		if tree, err = os.Stat(s.objectPath(root, treeSuffix)); err == nil {
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
		s.partials[root] = uint64(info.Size())
		s.used += s.partials[root]
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
