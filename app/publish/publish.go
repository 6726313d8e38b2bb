// Package publish turns a file or a directory into content, registers it on the chain and hands it to caches.
package publish

import (
	"context"
	"errors"
	"fmt"

	"github.com/remora-network/remora"
)

// Sentinels.
var (
	// ErrNoCache says that no cache took the content.
	ErrNoCache = errors.New("no cache took the content")
	// ErrChanged says that a file is not what it was when its root was computed.
	ErrChanged = errors.New("the file changed while it was being published: publish again when nobody writes to it")
)

// Chain registers content and knows the caches.
type Chain interface {
	// Register enters content into the index and returns when it is there, also when it was before.
	Register(ctx context.Context, r remora.RegisterContent) error
	Caches(ctx context.Context) ([]Cache, error)
}

// Cache is where content is uploaded.
type Cache struct {
	Address remora.Address
	Name    string
	URL     string // of its API
}

// Options say how to publish.
type Options struct {
	Chain    Chain
	Replicas uint8
	Progress func(format string, args ...any)
}

// Report says what was published.
type Report struct {
	CID      string `json:"cid"`
	Size     uint64 `json:"size"` // bytes of all files
	Files    int    `json:"files"`
	Replicas int    `json:"replicas"` // caches that hold all of it
}

// Publish publishes the file or directory at path and returns when at least one cache holds all of it; the others that
// the chain assigns fetch it from there.
func Publish(ctx context.Context, path string, o Options) (*Report, error) {
	c, err := collect(path)
	if err != nil {
		return nil, err
	}
	top := c.objects[len(c.objects)-1]
	o.Progress("registering %d objects", len(c.objects))
	for _, object := range c.objects {
		r := object.registration
		r.Replicas = o.Replicas
		if err := o.Chain.Register(ctx, r); err != nil {
			return nil, fmt.Errorf("register %q as %s: %w", object.path, object.cid(), err)
		}
	}
	caches, err := o.Chain.Caches(ctx)
	if err != nil {
		return nil, err
	}
	u := newUploader()
	defer u.client.CloseIdleConnections()
	replicas, err := u.upload(ctx, c, caches, o)
	if err != nil {
		return nil, err
	}
	return &Report{CID: top.cid(), Size: c.size, Files: c.files, Replicas: replicas}, nil
}
