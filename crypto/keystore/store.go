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

// Info is the part of a key file that can be read without its password.
type Info struct {
	Kind      Kind
	Protected bool // whether the file has a password
	Public    Public
}

// Save writes keys durably to a new file of mode 0600. It never touches an existing file: the error then matches
// fs.ErrExist. With an empty password, anyone who can read the file can open it.
func Save(path string, keys *Keys, password []byte) error {
	c := passwordCost
	if len(password) == 0 {
		c = openCost
	}
	return saveWithCost(path, keys, password, c)
}

func saveWithCost(path string, keys *Keys, password []byte, c cost) error {
	f, err := encryptKeys(keys, password, c)
	if err != nil {
		return fmt.Errorf("key file %q: %w", path, err)
	}
	data, err := f.encodeJSON()
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

// Load reads and decrypts a key file. Errors to branch on are ErrPassword, ErrPermissions, ErrCorrupt, ErrCost and
// fs.ErrNotExist.
func Load(path string, password []byte) (*Keys, error) {
	f, _, err := readKeyFile(path)
	if err != nil {
		return nil, err
	}
	k, err := f.decryptKeys(password)
	if err != nil {
		return nil, explainError(path, err)
	}
	return k, nil
}

// Peek reads a key file without its password. Only Load notices changes to the part that Peek shows.
func Peek(path string) (Info, error) {
	f, _, err := readKeyFile(path)
	if err != nil {
		return Info{}, err
	}
	return Info{Kind: f.Kind, Protected: f.Crypto.cost != openCost, Public: f.Public}, nil
}

// readKeyFile returns a decoded key file, and its bytes.
func readKeyFile(path string) (*file, []byte, error) {
	data, err := readPrivateFile(path)
	if err != nil {
		return nil, nil, explainError(path, err)
	}
	f, err := decodeFile(data)
	if err != nil {
		return nil, nil, explainError(path, err)
	}
	return f, data, nil
}

// explainError adds the name of the file and a hint for its owner.
func explainError(path string, err error) error {
	hint := "check the path and the file"
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return fmt.Errorf("key file %q: %w; check the path, or create keys with remora init", path, fs.ErrNotExist)
	case errors.Is(err, ErrPermissions):
		hint = fmt.Sprintf("run chmod 600 %q", path)
	case errors.Is(err, ErrPassword):
		hint = "use the password that the file was created with (if you did, restore the file from a backup)"
	case errors.Is(err, ErrCorrupt), errors.Is(err, ErrCost):
		hint = "restore it from a backup"
	}
	return fmt.Errorf("key file %q: %w; %s", path, err, hint)
}

// readPrivateFile checks the opened file, not its path, so that the file cannot be swapped between check and read. Opening
// does not block, because the path may be a pipe.
func readPrivateFile(path string) (data []byte, err error) {
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
