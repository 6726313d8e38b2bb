package store

import (
	"errors"
	"fmt"
	"os"
	"syscall"
)

// disk is a file of the store while it is written. Options.Fault can make its writes and syncs fail.
type disk struct {
	*os.File
	fault func(bytes int) error // Options.Fault
}

// Write implements io.Writer.
func (d disk) Write(p []byte) (int, error) {
	if err := d.checkFault(len(p)); err != nil {
		return 0, err
	}
	return d.File.Write(p)
}

// WriteAt implements io.WriterAt.
func (d disk) WriteAt(p []byte, offset int64) (int, error) {
	if err := d.checkFault(len(p)); err != nil {
		return 0, err
	}
	return d.File.WriteAt(p, offset)
}

// Sync makes the written bytes durable. Some file systems report only here that they have no space for them.
func (d disk) Sync() error {
	if err := d.checkFault(0); err != nil {
		return err
	}
	return d.File.Sync()
}

func (d disk) checkFault(bytes int) error {
	if d.fault == nil {
		return nil
	}
	return d.fault(bytes)
}

// createTemp returns a new file under tmp.
func (s *Store) createTemp(pattern string) (disk, error) {
	f, err := os.CreateTemp(s.tempPath(), pattern)
	return disk{f, s.opts.Fault}, err
}

// discardFile closes a temporary file and removes it if it still exists.
func (d disk) discardFile() error { return errors.Join(d.Close(), removeIfPresent(d.Name())) }

// placeFiles moves the files of a verified object to their names, the tree last: an object is complete when its tree
// has its name. After an error both files are back at their old names, from which they can be resumed.
func (s *Store) placeFiles(data, tree disk, toData, toTree string) error {
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

// removeIfPresent removes a file that may not exist.
func removeIfPresent(name string) error {
	if err := os.Remove(name); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return nil
}
