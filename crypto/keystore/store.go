package keystore

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/remora-network/remora/app/durable"
)

// Info is what a key file shows without its password.
type Info struct {
	Kind      Kind
	Protected bool // a password was set
	Public    Public
}

// Save writes keys to a new file of mode 0600: all of it, durably, or nothing. An existing file is never touched; the
// error then matches fs.ErrExist. An empty password leaves the file open to whoever can read it.
func Save(path string, keys *Keys, password []byte) error {
	return save(path, keys, password, costFor(password))
}

func save(path string, keys *Keys, password []byte, c cost) error {
	f, err := newFile(keys, password, c)
	if err != nil {
		return fmt.Errorf("key file %q: %w", path, err)
	}
	data, err := f.encode()
	if err != nil {
		return fmt.Errorf("key file %q: %w", path, err)
	}
	if err := durable.Create(path, data); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("key file %q: %w; keys are never overwritten: move it away or choose another path", path, fs.ErrExist)
		}
		return fmt.Errorf("key file: %w", err)
	}
	return nil
}

// Load reads and decrypts a key file. The error matches ErrPassword, ErrPermissions, ErrCorrupt, ErrCost or
// fs.ErrNotExist where one of them is the reason.
func Load(path string, password []byte) (*Keys, error) {
	f, err := read(path)
	if err != nil {
		return nil, err
	}
	k, err := f.open(password)
	if err != nil {
		return nil, explain(path, err)
	}
	return k, nil
}

// Peek reads what a key file shows without its password. Only Load finds out whether someone changed that.
func Peek(path string) (Info, error) {
	f, err := read(path)
	if err != nil {
		return Info{}, err
	}
	return Info{Kind: f.Kind, Protected: f.Crypto.cost != openCost, Public: f.Public}, nil
}

func read(path string) (*file, error) {
	data, err := readPrivate(path)
	if err != nil {
		return nil, explain(path, err)
	}
	f, err := decode(data)
	if err != nil {
		return nil, explain(path, err)
	}
	return f, nil
}

// explain adds the file's name and what its owner can do.
func explain(path string, err error) error {
	hint := "check the path and the file"
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("key file %q: %w; check the path, or create keys with remora init", path, fs.ErrNotExist)
	case errors.Is(err, ErrPermissions):
		hint = fmt.Sprintf("run chmod 600 %q", path)
	case errors.Is(err, ErrPassword):
		hint = "pass the password that the file was created with (if it is that one, restore the file from a backup)"
	case errors.Is(err, ErrCorrupt), errors.Is(err, ErrCost):
		hint = "restore it from a backup"
	}
	return fmt.Errorf("key file %q: %w; %s", path, err, hint)
}

// readPrivate checks the open file, not its name, so that nothing can be swapped in between. Opening must not wait:
// the path may be a pipe.
func readPrivate(path string) (data []byte, err error) {
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%w: not a regular file", ErrCorrupt)
	}
	if perm := info.Mode().Perm(); perm&0o077 != 0 {
		return nil, fmt.Errorf("%w: mode %04o", ErrPermissions, perm)
	}
	return io.ReadAll(io.LimitReader(f, maxFileSize+1))
}
