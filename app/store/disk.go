package store

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// disk is a file of the store while it is written.
type disk struct {
	*os.File
	fault func(bytes int) error // Options.Fault
}

// Write implements io.Writer.
func (d disk) Write(p []byte) (int, error) {
	if err := d.fails(len(p)); err != nil {
		return 0, err
	}
	return d.File.Write(p)
}

// WriteAt implements io.WriterAt.
func (d disk) WriteAt(p []byte, offset int64) (int, error) {
	if err := d.fails(len(p)); err != nil {
		return 0, err
	}
	return d.File.WriteAt(p, offset)
}

// Sync makes what was written durable. Some file systems find out only now that they have no room for it.
func (d disk) Sync() error {
	if err := d.fails(0); err != nil {
		return err
	}
	return d.File.Sync()
}

func (d disk) fails(bytes int) error {
	if d.fault == nil {
		return nil
	}
	return d.fault(bytes)
}

// createTemp returns a new file under tmp.
func (s *Store) createTemp(pattern string) (disk, error) {
	f, err := os.CreateTemp(s.tmp(), pattern)
	return disk{f, s.opts.Fault}, err
}

// discard closes a temporary file and removes it where it still is.
func (d disk) discard() error { return errors.Join(d.Close(), unlink(d.Name())) }

// place moves the files of a verified object to their names, the tree last: an object is whole when its tree is there.
// Where it fails both are back where they were, so that nothing is lost that could be resumed.
func (s *Store) place(data, tree disk, toData, toTree string) error {
	if err := os.Rename(data.Name(), toData); err != nil {
		return err
	}
	if err := os.Rename(tree.Name(), toTree); err != nil {
		return errors.Join(err, os.Rename(toData, data.Name()))
	}
	return nil
}

func diskError(err error) error {
	if errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) {
		return fmt.Errorf("%w: %w", ErrNoSpace, err)
	}
	return err
}

// unlink removes a file that may be gone already.
func unlink(name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
