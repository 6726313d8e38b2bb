// Package publish turns a file or a directory into content, registers it on the chain and uploads it to caches.
//
// [Publish] computes the roots of all files and directory manifests, registers each with a proof of its length, and uploads
// them to the caches that the chain assigns, then to others, until the wanted number of caches hold all of them or none is
// left to try. One is enough: the assigned caches fetch the content from it. A file that changes while it is being
// published is an error (ErrChanged). Publishing the same files again is harmless and gives the same CID.
package publish

import (
	"context"
	"errors"
	"fmt"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/transfer"
)

// Errors to branch on with errors.Is.
var (
	// ErrNoCache says that no cache accepted the content.
	ErrNoCache = errors.New("no cache accepted the content")
	// ErrChanged says that a file has changed since its root was computed.
	ErrChanged = errors.New("the file changed while it was being published: publish it again when it is no longer written")
)

// Chain registers content and lists the caches.
type Chain interface {
	// Register registers content and returns when it is registered; it may have been before.
	Register(ctx context.Context, r remora.RegisterContent) error
	Caches(ctx context.Context) ([]transfer.Cache, error)
}

// Options configure Publish.
type Options struct {
	Chain    Chain
	Replicas uint8
	Progress func(format string, args ...any)
}

// Publication describes what was published.
type Publication struct {
	CID      string `json:"cid"`
	Size     uint64 `json:"size"` // bytes of all files
	Files    int    `json:"files"`
	Replicas int    `json:"replicas"` // caches that hold all of it
}

// Publish publishes the file or directory at path and returns when at least one cache holds all of it; other assigned
// caches fetch it from there.
func Publish(ctx context.Context, path string, o Options) (*Publication, error) {
	c, err := collectPath(path)
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
	replicas, err := u.uploadToCaches(ctx, c, caches, o)
	if err != nil {
		return nil, err
	}
	return &Publication{CID: top.cid(), Size: c.size, Files: c.files, Replicas: replicas}, nil
}
