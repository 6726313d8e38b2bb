package replay

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/client"
	"github.com/remora-network/remora/node/store"
)

// Remote is a running node as a source.
type Remote struct{ Client *client.Client }

// Tip implements Source.
func (r Remote) Tip(ctx context.Context) (remora.Height, error) {
	s, err := r.Client.Status(ctx)
	if err != nil {
		return 0, err
	}
	return s.CertifiedHeight, nil
}

// Blocks implements Source. It waits for missing certificates: a node that was down while one formed fetches it from its
// peers after its return.
func (r Remote) Blocks(ctx context.Context, from, to remora.Height, visit func(*remora.CertifiedBlock) error) error {
	next := from
	counted := func(cb *remora.CertifiedBlock) error {
		next++
		return visit(cb)
	}
	for next <= to {
		err := r.Client.CertifiedBlocks(ctx, next, to, counted)
		if !errors.Is(err, ErrNotCertified) {
			return err
		}
		cb, err := r.Client.CertifiedBlock(ctx, next, certificateWait)
		if err != nil {
			return err
		}
		if h := cb.Block.Header.Height; h != next {
			return fmt.Errorf("%w: got block %d, asked for block %d", client.ErrAnswer, h, next)
		}
		if err := counted(cb); err != nil {
			return err
		}
	}
	return nil
}

// dataDir is the store in a node's home.
const dataDir = "data"

// Home is a copy of a node's home as a source. It is never written to: the store is opened on a shadow, a temporary
// directory with links to the files that a store does not change any more, and copies of the others.
type Home struct {
	store  *store.Store
	shadow string
}

// OpenHome opens a copied home that no running node uses. The caller closes it.
func OpenHome(home string) (*Home, error) {
	data, err := filepath.Abs(filepath.Join(home, dataDir))
	if err != nil {
		return nil, err
	}
	if _, err := os.Stat(data); err != nil {
		return nil, fmt.Errorf("%s is not the home of a node: %w", home, err)
	}
	shadow, err := os.MkdirTemp("", "remora-home-")
	if err != nil {
		return nil, err
	}
	h := &Home{shadow: shadow}
	if err := shadowDirectory(data, shadow); err != nil {
		return nil, errors.Join(fmt.Errorf("shadow of %s: %w", data, err), os.RemoveAll(shadow))
	}
	if h.store, err = store.Open(shadow, store.Options{}); err != nil {
		return nil, errors.Join(err, os.RemoveAll(shadow))
	}
	if _, initialised, err := h.store.Genesis(); err != nil || !initialised {
		return nil, errors.Join(fmt.Errorf("%s holds no chain", data), err, h.Close())
	}
	return h, nil
}

// Close closes the store and removes the shadow.
func (h *Home) Close() error { return errors.Join(h.store.Close(), os.RemoveAll(h.shadow)) }

// Tip implements Source.
func (h *Home) Tip(context.Context) (remora.Height, error) {
	for height := h.store.Height(); height > 0; height-- {
		certificate, err := h.store.BlockCertificate(height)
		if certificate != nil || err != nil {
			return height, err
		}
	}
	return 0, nil
}

// Blocks implements Source.
func (h *Home) Blocks(ctx context.Context, from, to remora.Height, visit func(*remora.CertifiedBlock) error) error {
	for height := from; height <= to; height++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		cb, err := h.store.CertifiedBlock(height)
		if err != nil {
			return err
		}
		if cb.Certificate == nil && height == to {
			return fmt.Errorf("%w: block %d of this home", ErrNotCertified, height)
		}
		if err := visit(cb); err != nil {
			return err
		}
	}
	return nil
}

// shadowDirectory fills the directory to, which is empty, with a shadow of from.
func shadowDirectory(from, to string) error {
	return filepath.WalkDir(from, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == from {
			return err
		}
		name, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		target := filepath.Join(to, name)
		switch {
		case entry.IsDir():
			return os.Mkdir(target, 0o700)
		case !entry.Type().IsRegular():
			return nil
		case neverWritten(path):
			return os.Symlink(path, target)
		}
		return copyFile(path, target)
	})
}

// neverWritten reports whether a store only reads or deletes an existing file. Such files are the tables of the database
// and every segment of batches but the last.
func neverWritten(path string) bool {
	switch filepath.Ext(path) {
	case ".sst":
		return true
	case ".seg":
		segments, err := filepath.Glob(filepath.Join(filepath.Dir(path), "*.seg"))
		return err == nil && slices.ContainsFunc(segments, func(other string) bool { return other > path })
	}
	return false
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	return errors.Join(err, out.Close())
}
