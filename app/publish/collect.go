package publish

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/proofs/content"
)

const (
	// maxDepth bounds the names that lead to a file: gateways accept no longer paths.
	maxDepth = 63
	// maxManifest is the size of the largest manifest that gateways read.
	maxManifest = transfer.MaxRange
)

// object is one file or manifest.
type object struct {
	path         string
	registration remora.RegisterContent // without replicas
	open         func() (io.ReadCloser, error)
}

// checkUnchanged returns an error if the bytes of the file have changed. It reads all of it.
func (o *object) checkUnchanged() error {
	body, err := o.open()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrChanged, err)
	}
	defer body.Close()
	root, length, err := content.Root(body)
	if c := o.registration.Content; err == nil && (root != c.Root || length != c.Length) {
		err = fmt.Errorf("%w: it has %d bytes with root %s, had %d with %s", ErrChanged, length, root, c.Length, c.Root)
	}
	return err
}

// checkSize returns an error if the length of the file has changed.
func (o *object) checkSize() error {
	body, err := o.open()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrChanged, err)
	}
	defer body.Close()
	f, isFile := body.(*os.File)
	if !isFile {
		return nil
	}
	info, err := f.Stat()
	if length := o.registration.Content.Length; err == nil && uint64(info.Size()) != length {
		err = fmt.Errorf("%w: it has %d bytes, had %d", ErrChanged, info.Size(), length)
	}
	return err
}

func (o *object) cid() string {
	return content.CID(o.registration.Content.Root, o.registration.Directory)
}

// collection is everything below a path: each content once, the entries of a manifest before the manifest.
type collection struct {
	objects []*object
	known   map[string]bool // CIDs of objects
	size    uint64
	files   int
}

// collectPath reads a file or directory. Files are read once to compute their roots and again to be uploaded; a cache
// refuses a file that changed in between.
func collectPath(path string) (*collection, error) {
	c := &collection{known: map[string]bool{}}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		_, err = c.addDirectory(path, 0)
	} else {
		_, err = c.addFile(path, info)
	}
	return c, err
}

// addObject adds an object unless it is known.
func (c *collection) addObject(o *object) {
	if cid := o.cid(); !c.known[cid] {
		c.known[cid] = true
		c.objects = append(c.objects, o)
	}
}

func (c *collection) addFile(path string, info fs.FileInfo) (content.Entry, error) {
	if err := checkKind(path, info.Mode()); err != nil {
		return content.Entry{}, err
	}
	f, err := os.Open(path)
	if err != nil {
		return content.Entry{}, err
	}
	defer f.Close()
	o, err := describeContent(f, false)
	if err != nil {
		return content.Entry{}, fmt.Errorf("%q: %w", path, err)
	}
	o.path = path
	o.open = func() (io.ReadCloser, error) { return os.Open(path) }
	at := o.registration.Content
	c.size += at.Length
	c.files++
	c.addObject(o)
	return content.Entry{Root: at.Root, Length: at.Length, MediaType: mediaType(path)}, nil
}

// checkKind refuses everything but regular files. Links are not followed: they could lead out of the directory, or in
// circles.
func checkKind(path string, mode fs.FileMode) error {
	switch {
	case mode.IsRegular():
		return nil
	case mode&fs.ModeSymlink != 0:
		return fmt.Errorf("%w: %q is a symbolic link, which content cannot hold: replace it by its target or remove it",
			remora.ErrInvalid, path)
	}
	return fmt.Errorf("%w: %q is neither a file nor a directory: remove it or publish another folder", remora.ErrInvalid, path)
}

func (c *collection) addDirectory(path string, depth int) (content.Entry, error) {
	if depth == maxDepth {
		return content.Entry{}, fmt.Errorf("%w: %q is %d folders deep, at most %d: gateways accept no longer paths",
			remora.ErrTooLarge, path, depth, maxDepth-1)
	}
	found, err := os.ReadDir(path)
	if err != nil {
		return content.Entry{}, err
	}
	if len(found) > content.MaxEntries {
		return content.Entry{}, fmt.Errorf("%w: %q has %d entries, at most %d: spread them over folders",
			remora.ErrTooLarge, path, len(found), content.MaxEntries)
	}
	entries := make([]content.Entry, 0, len(found))
	for _, f := range found {
		e, err := c.addEntry(filepath.Join(path, f.Name()), f, depth)
		if err != nil {
			return content.Entry{}, err
		}
		entries = append(entries, e)
	}
	return c.addManifest(path, entries)
}

// addEntry adds the file or directory under one name of a directory.
func (c *collection) addEntry(path string, f fs.DirEntry, depth int) (e content.Entry, err error) {
	if err := content.CheckName(f.Name()); err != nil {
		return e, fmt.Errorf("%q: %w: rename it", path, err)
	}
	info, err := f.Info()
	if errors.Is(err, fs.ErrNotExist) {
		return e, fmt.Errorf("%w: %w", ErrChanged, err)
	}
	switch {
	case err != nil:
		return e, err
	case info.IsDir():
		e, err = c.addDirectory(path, depth+1)
	default:
		e, err = c.addFile(path, info)
	}
	e.Name = f.Name()
	return e, err
}

func (c *collection) addManifest(path string, entries []content.Entry) (content.Entry, error) {
	d, err := content.NewDirectory(entries)
	if err != nil {
		return content.Entry{}, fmt.Errorf("%q: %w", path, err)
	}
	raw := d.Encode()
	if len(raw) > maxManifest {
		return content.Entry{}, fmt.Errorf("%w: the manifest of %q has %d bytes, gateways read %d: spread its %d entries over folders",
			remora.ErrTooLarge, path, len(raw), maxManifest, len(entries))
	}
	o, err := describeContent(bytes.NewReader(raw), true)
	if err != nil {
		return content.Entry{}, fmt.Errorf("%q: %w", path, err)
	}
	o.path = path
	o.open = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(raw)), nil }
	c.addObject(o)
	at := o.registration.Content
	return content.Entry{Root: at.Root, Length: at.Length, Directory: true}, nil
}

// source is content that can be read twice.
type source interface {
	io.Reader
	io.ReaderAt
}

// describeContent computes root and length, and the proof of both.
func describeContent(data source, directory bool) (*object, error) {
	var outboard bytes.Buffer // 0.4 % of the content
	w := content.NewWriter(&outboard)
	if _, err := io.Copy(w, data); err != nil {
		return nil, err
	}
	root, length, err := w.Finish()
	if err != nil {
		return nil, err
	}
	end := content.Chunks(length) - 1
	last, err := content.ProveChunk(data, bytes.NewReader(outboard.Bytes()), length, end)
	if err == nil {
		err = content.VerifyChunk(root, length, end, last)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrChanged, err)
	}
	return &object{registration: remora.RegisterContent{
		Content: remora.Content{Root: root, Length: length}, Directory: directory, Last: last.Data, Path: last.Path,
	}}, nil
}
