// Package durable writes small files that survive a crash: a reader finds the old content or the new content, whole, and
// once a function has returned nil, the new one.
package durable

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Replace gives the file at path new content and mode 0600. It creates the file where there is none.
func Replace(path string, data []byte) error { return writeFile(path, data, os.Rename) }

// Create writes a new file of mode 0600. It never touches an existing one: the error then matches fs.ErrExist.
func Create(path string, data []byte) error { return writeFile(path, data, os.Link) }

// writeFile writes and syncs a temporary file in the same directory, and then has publish give it its name.
func writeFile(path string, data []byte, publish func(temporary, path string) error) error {
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, ".new-*")
	if err != nil {
		return fmt.Errorf("write %q: %w", path, err)
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err == nil {
		err = publish(f.Name(), path)
	}
	if gone := os.Remove(f.Name()); !errors.Is(gone, fs.ErrNotExist) {
		err = errors.Join(err, gone)
	}
	if err != nil {
		return fmt.Errorf("write %q: %w", path, err)
	}
	return SyncDir(dir)
}

// SyncDir makes the entries of a directory durable: files created, renamed or removed in it.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("sync directory: %w", err)
	}
	return errors.Join(d.Sync(), d.Close())
}
