package crashfs

import (
	"errors"
	"io"
	"io/fs"
	"maps"
	"math/rand/v2"
	"os"
	"path"
	"slices"
	"strings"
	"sync"
	"syscall"

	"github.com/cockroachdb/pebble/vfs"
)

// FS is an in-memory vfs.FS with crash semantics, safe for concurrent use.
type FS struct {
	mu      sync.Mutex
	root    *node
	rng     *rand.Rand
	locks   map[string]bool
	ops     int
	fault   fault
	at      int
	crashed bool
}

var _ vfs.FS = (*FS)(nil)

// New returns an empty file system. The seed determines what crashes keep.
func New(seed uint64) *FS {
	return &FS{root: newDirectory(), rng: rand.New(rand.NewPCG(seed, 0)), locks: make(map[string]bool)}
}

// splitPath returns the path elements of name; the root has none.
func splitPath(name string) []string {
	clean := path.Clean("/" + name)
	if clean == "/" {
		return nil
	}
	return strings.Split(clean[1:], "/")
}

// findNode returns the node with that name. Callers hold f.mu.
func (f *FS) findNode(op, name string) (*node, error) {
	n := f.root
	for _, elem := range splitPath(name) {
		if !n.dir {
			return nil, &fs.PathError{Op: op, Path: name, Err: syscall.ENOTDIR}
		}
		if n = n.entries[elem]; n == nil {
			return nil, &fs.PathError{Op: op, Path: name, Err: fs.ErrNotExist}
		}
	}
	return n, nil
}

// findParent returns the directory that holds name, and the name's last element. Callers hold f.mu.
func (f *FS) findParent(op, name string) (*node, string, error) {
	elems := splitPath(name)
	if len(elems) == 0 {
		return nil, "", &fs.PathError{Op: op, Path: name, Err: fs.ErrInvalid}
	}
	last := len(elems) - 1
	dir, err := f.findNode(op, strings.Join(elems[:last], "/"))
	if err != nil {
		return nil, "", err
	}
	if !dir.dir {
		return nil, "", &fs.PathError{Op: op, Path: name, Err: syscall.ENOTDIR}
	}
	return dir, elems[last], nil
}

// Create creates an empty file, replacing the entry of an existing one.
func (f *FS) Create(name string) (vfs.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.createFile("create", name)
}

func (f *FS) createFile(op, name string) (vfs.File, error) {
	dir, base, err := f.findParent(op, name)
	if err != nil {
		return nil, err
	}
	if old := dir.entries[base]; old != nil && old.dir {
		return nil, &fs.PathError{Op: op, Path: name, Err: syscall.EISDIR}
	}
	n := &node{}
	if err := f.changeEntries(grow, dir, entry{base, n}); err != nil {
		return nil, &fs.PathError{Op: op, Path: name, Err: err}
	}
	return &file{fs: f, node: n, name: base, read: true, write: true}, nil
}

// Link adds newname as a second entry for the file oldname.
func (f *FS) Link(oldname, newname string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.findNode("link", oldname)
	if err != nil {
		return err
	}
	dir, base, err := f.findParent("link", newname)
	if err == nil {
		switch {
		case n.dir:
			err = syscall.EPERM
		case dir.entries[base] != nil:
			err = fs.ErrExist
		default:
			err = f.changeEntries(grow, dir, entry{base, n})
		}
	}
	if err != nil {
		return &os.LinkError{Op: "link", Old: oldname, New: newname, Err: err}
	}
	return nil
}

// Open opens a file for reading, or a directory for Sync. The options advise the kernel, which does not know the file.
func (f *FS) Open(name string, _ ...vfs.OpenOption) (vfs.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.findNode("open", name)
	if err != nil {
		return nil, err
	}
	return &file{fs: f, node: n, name: path.Base(name), read: true}, nil
}

// OpenReadWrite opens a file for reading and writing, creating it if there is none.
func (f *FS) OpenReadWrite(name string, _ ...vfs.OpenOption) (vfs.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.openReadWrite(name)
}

func (f *FS) openReadWrite(name string) (vfs.File, error) {
	n, err := f.findNode("open", name)
	if errors.Is(err, fs.ErrNotExist) {
		return f.createFile("open", name)
	}
	if err != nil {
		return nil, err
	}
	if n.dir {
		return nil, &fs.PathError{Op: "open", Path: name, Err: syscall.EISDIR}
	}
	return &file{fs: f, node: n, name: path.Base(name), read: true, write: true}, nil
}

// OpenDir opens a directory for Sync.
func (f *FS) OpenDir(name string) (vfs.File, error) { return f.Open(name) }

// Remove removes a file or an empty directory.
func (f *FS) Remove(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	dir, base, err := f.findParent("remove", name)
	if err != nil {
		return err
	}
	n := dir.entries[base]
	switch {
	case n == nil:
		err = fs.ErrNotExist
	case len(n.entries) > 0:
		err = syscall.ENOTEMPTY
	default:
		err = f.changeEntries(other, dir, entry{base, nil})
	}
	if err != nil {
		return &fs.PathError{Op: "remove", Path: name, Err: err}
	}
	return nil
}

// RemoveAll removes name and everything in it, as one operation. A missing name is no error.
func (f *FS) RemoveAll(name string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	dir, base, err := f.findParent("removeall", name)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil || dir.entries[base] == nil {
		return err
	}
	return f.changeEntries(other, dir, entry{base, nil})
}

// Rename moves a file or directory, replacing a file at newname. Within one directory a crash keeps all of it or
// nothing.
func (f *FS) Rename(oldname, newname string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	_, err := f.renameEntry(oldname, newname)
	return err
}

func (f *FS) renameEntry(oldname, newname string) (*node, error) {
	from, oldbase, err := f.findParent("rename", oldname)
	if err != nil {
		return nil, err
	}
	to, newbase, err := f.findParent("rename", newname)
	if err != nil {
		return nil, err
	}
	n := from.entries[oldbase]
	switch {
	case n == nil:
		err = fs.ErrNotExist
	case from == to && oldbase == newbase:
		return n, nil
	case from == to:
		err = f.changeEntries(other, to, entry{oldbase, nil}, entry{newbase, n})
	default:
		if err = f.changeEntries(other, to, entry{newbase, n}); err == nil {
			err = f.changeEntries(other, from, entry{oldbase, nil})
		}
	}
	if err != nil {
		return nil, &os.LinkError{Op: "rename", Old: oldname, New: newname, Err: err}
	}
	return n, nil
}

// ReuseForWrite renames oldname to newname and opens it for writing from its start, without truncation.
func (f *FS) ReuseForWrite(oldname, newname string) (vfs.File, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.renameEntry(oldname, newname)
	if err != nil {
		return nil, err
	}
	return &file{fs: f, node: n, name: path.Base(newname), read: true, write: true}, nil
}

// MkdirAll creates the directory and its missing parents, each as one operation.
func (f *FS) MkdirAll(dir string, _ os.FileMode) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	n := f.root
	for _, elem := range splitPath(dir) {
		child := n.entries[elem]
		if child == nil {
			child = newDirectory()
			if err := f.changeEntries(grow, n, entry{elem, child}); err != nil {
				return &fs.PathError{Op: "mkdir", Path: dir, Err: err}
			}
		}
		if !child.dir {
			return &fs.PathError{Op: "mkdir", Path: dir, Err: syscall.ENOTDIR}
		}
		n = child
	}
	return nil
}

// Lock takes the lock with that name until its closer is closed, creating the file if there is none.
func (f *FS) Lock(name string) (io.Closer, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	key := path.Clean("/" + name)
	if f.locks[key] {
		return nil, &fs.PathError{Op: "lock", Path: name, Err: syscall.EAGAIN}
	}
	if _, err := f.openReadWrite(name); err != nil {
		return nil, err
	}
	f.locks[key] = true
	return &lock{f, key}, nil
}

type lock struct {
	fs  *FS
	key string
}

// Close releases the lock.
func (l *lock) Close() error {
	l.fs.mu.Lock()
	defer l.fs.mu.Unlock()
	delete(l.fs.locks, l.key)
	return nil
}

// List returns the sorted names in a directory.
func (f *FS) List(dir string) ([]string, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.findNode("list", dir)
	if err != nil {
		return nil, err
	}
	if !n.dir {
		return nil, &fs.PathError{Op: "list", Path: dir, Err: syscall.ENOTDIR}
	}
	return slices.Sorted(maps.Keys(n.entries)), nil
}

// Stat describes a file or directory.
func (f *FS) Stat(name string) (os.FileInfo, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	n, err := f.findNode("stat", name)
	if err != nil {
		return nil, err
	}
	return n.fileInfo(path.Base(name))
}

// PathBase returns the last element of a path.
func (f *FS) PathBase(name string) string { return path.Base(name) }

// PathJoin joins path elements with slashes.
func (f *FS) PathJoin(elem ...string) string { return path.Join(elem...) }

// PathDir returns all but the last element of a path.
func (f *FS) PathDir(name string) string { return path.Dir(name) }

// GetDiskUsage reports a disk of 1 TiB, full once FullAt has taken effect.
func (f *FS) GetDiskUsage(string) (vfs.DiskUsage, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	const total = 1 << 40
	if f.fault == full && f.ops >= f.at {
		return vfs.DiskUsage{TotalBytes: total, UsedBytes: total}, nil
	}
	return vfs.DiskUsage{AvailBytes: total, TotalBytes: total}, nil
}
