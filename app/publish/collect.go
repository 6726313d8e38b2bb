package publish

import (
	"bytes"
	"fmt"
	"io"
	"mime"
	"os"
	"path/filepath"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/proofs/content"
)

// object is one file or manifest.
type object struct {
	registration remora.RegisterContent // without replicas
	open         func() (io.ReadCloser, error)
}

// collection is everything below a path, each content once, what a manifest names before the manifest.
type collection struct {
	objects []*object
	known   map[remora.Hash]bool // files
	size    uint64
	files   int
}

// collect reads a file or directory. Files are read once to compute roots and once more to be uploaded; what changes in
// between is refused by the cache.
func collect(path string) (*collection, error) {
	c := &collection{known: map[remora.Hash]bool{}}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.IsDir() {
		_, err = c.directory(path)
	} else {
		_, err = c.file(path, info)
	}
	return c, err
}

func (c *collection) file(path string, info os.FileInfo) (content.Entry, error) {
	if !info.Mode().IsRegular() {
		return content.Entry{}, fmt.Errorf("%w: %q is neither a file nor a directory", remora.ErrInvalid, path)
	}
	f, err := os.Open(path)
	if err != nil {
		return content.Entry{}, err
	}
	defer f.Close()
	o, err := describe(f, false)
	if err != nil {
		return content.Entry{}, fmt.Errorf("%s: %w", path, err)
	}
	o.open = func() (io.ReadCloser, error) { return os.Open(path) }
	at := o.registration.Content
	c.size += at.Length
	c.files++
	if !c.known[at.Root] {
		c.known[at.Root] = true
		c.objects = append(c.objects, o)
	}
	return content.Entry{Root: at.Root, Length: at.Length, MediaType: mime.TypeByExtension(filepath.Ext(path))}, nil
}

func (c *collection) directory(path string) (content.Entry, error) {
	found, err := os.ReadDir(path)
	if err != nil {
		return content.Entry{}, err
	}
	entries := make([]content.Entry, 0, len(found))
	for _, f := range found {
		below := filepath.Join(path, f.Name())
		info, err := f.Info()
		if err != nil {
			return content.Entry{}, err
		}
		var e content.Entry
		if info.IsDir() {
			e, err = c.directory(below)
		} else {
			e, err = c.file(below, info)
		}
		if err != nil {
			return content.Entry{}, err
		}
		e.Name = f.Name()
		entries = append(entries, e)
	}
	d, err := content.NewDirectory(entries)
	if err != nil {
		return content.Entry{}, fmt.Errorf("%s: %w", path, err)
	}
	raw := d.Encode()
	o, err := describe(bytes.NewReader(raw), true)
	if err != nil {
		return content.Entry{}, err
	}
	o.open = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(raw)), nil }
	c.objects = append(c.objects, o)
	at := o.registration.Content
	return content.Entry{Root: at.Root, Length: at.Length, Directory: true}, nil
}

// source is content that can be read twice.
type source interface {
	io.Reader
	io.ReaderAt
}

// describe computes root and length and the proof of both.
func describe(data source, directory bool) (*object, error) {
	var outboard bytes.Buffer // 0.4 % of the content
	w := content.NewWriter(&outboard)
	if _, err := io.Copy(w, data); err != nil {
		return nil, err
	}
	root, length, err := w.Finish()
	if err != nil {
		return nil, err
	}
	last, err := content.ProveChunk(data, bytes.NewReader(outboard.Bytes()), length, content.Chunks(length)-1)
	if err != nil {
		return nil, err
	}
	return &object{registration: remora.RegisterContent{
		Content: remora.Content{Root: root, Length: length}, Directory: directory, Last: last.Data, Path: last.Path,
	}}, nil
}
