package crashfs

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/cockroachdb/pebble/vfs"
)

// file is an open handle of a file or directory.
type file struct {
	fs          *FS
	node        *node
	name        string
	pos         int64
	read, write bool
	closed      bool
}

var _ vfs.File = (*file)(nil)

func (h *file) pathError(op string, err error) error {
	return &fs.PathError{Op: op, Path: h.name, Err: err}
}

// checkUsable returns the reason why the handle cannot be used for data. Callers hold fs.mu.
func (h *file) checkUsable(allowed bool) error {
	switch {
	case h.closed:
		return fs.ErrClosed
	case h.node.dir:
		return syscall.EISDIR
	case !allowed:
		return syscall.EBADF
	}
	return nil
}

// Close ends the handle without making anything durable.
func (h *file) Close() error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if h.closed {
		return h.pathError("close", fs.ErrClosed)
	}
	h.closed = true
	return nil
}

// Read reads from the handle's position.
func (h *file) Read(p []byte) (int, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	n, err := h.readBytesAt(p, h.pos)
	h.pos += int64(n)
	if n > 0 {
		return n, nil
	}
	return n, err
}

// ReadAt reads from an offset; short reads return io.EOF.
func (h *file) ReadAt(p []byte, off int64) (int, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	return h.readBytesAt(p, off)
}

func (h *file) readBytesAt(p []byte, off int64) (int, error) {
	if err := h.checkUsable(h.read); err != nil {
		return 0, h.pathError("read", err)
	}
	if off < 0 {
		return 0, h.pathError("read", syscall.EINVAL)
	}
	if off >= int64(len(h.node.data)) {
		return 0, io.EOF
	}
	n := copy(p, h.node.data[off:])
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

// Write writes at the handle's position.
func (h *file) Write(p []byte) (int, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	n, err := h.writeBytesAt(p, h.pos)
	h.pos += int64(n)
	return n, err
}

// WriteAt writes at an offset; a hole before it reads as zeros.
func (h *file) WriteAt(p []byte, off int64) (int, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	return h.writeBytesAt(p, off)
}

func (h *file) writeBytesAt(p []byte, off int64) (int, error) {
	if err := h.checkUsable(h.write); err != nil {
		return 0, h.pathError("write", err)
	}
	if off < 0 {
		return 0, h.pathError("write", syscall.EINVAL)
	}
	v := h.fs.countOperation(grow)
	if errors.Is(v.err, ErrNoSpace) && h.fs.ops == h.fs.at {
		p, v.apply, v.durable = p[:len(p)/2], true, !h.fs.crashed
	}
	w := write{off, bytes.Clone(p)}
	if v.apply {
		h.node.data = w.applyTo(h.node.data)
	}
	if v.durable {
		h.node.writes = append(h.node.writes, w)
	}
	if v.err == nil {
		return len(p), nil
	}
	if v.apply && errors.Is(v.err, ErrNoSpace) {
		return len(p), h.pathError("write", v.err)
	}
	return 0, h.pathError("write", v.err)
}

// Sync makes the file's content, or the directory's entries, durable.
func (h *file) Sync() error {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if h.closed {
		return h.pathError("sync", fs.ErrClosed)
	}
	v := h.fs.countOperation(flush)
	switch {
	case v.durable:
		h.node.syncPending()
	case errors.Is(v.err, ErrSync):
		h.node.dropPending()
	}
	if v.err != nil {
		return h.pathError("sync", v.err)
	}
	return nil
}

// SyncData is Sync.
func (h *file) SyncData() error { return h.Sync() }

// SyncTo does nothing, which its contract allows.
func (h *file) SyncTo(int64) (fullSync bool, err error) { return false, nil }

// Preallocate does nothing.
func (h *file) Preallocate(_, _ int64) error { return nil }

// Prefetch does nothing.
func (h *file) Prefetch(_, _ int64) error { return nil }

// Fd returns vfs.InvalidFd.
func (h *file) Fd() uintptr { return vfs.InvalidFd }

// Stat describes the file.
func (h *file) Stat() (os.FileInfo, error) {
	h.fs.mu.Lock()
	defer h.fs.mu.Unlock()
	if h.closed {
		return nil, h.pathError("stat", fs.ErrClosed)
	}
	return h.node.fileInfo(h.name)
}
