// Package publish turns a file or a directory into content, registers it on the chain and hands it to caches.
package publish

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/proofs/content"
)

// ErrNoCache says that no cache took the content.
var ErrNoCache = errors.New("no cache took the content")

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
			return nil, fmt.Errorf("register %s: %w", object.cid(), err)
		}
	}
	caches, err := o.Chain.Caches(ctx)
	if err != nil {
		return nil, err
	}
	replicas, err := c.upload(ctx, caches, o)
	if err != nil {
		return nil, err
	}
	return &Report{CID: top.cid(), Size: c.size, Files: c.files, Replicas: replicas}, nil
}

// upload hands everything to the caches that the chain assigns the top to, then to the others, until enough hold all.
func (c *collection) upload(ctx context.Context, caches []Cache, o Options) (int, error) {
	addresses, byAddress := make([]remora.Address, len(caches)), map[remora.Address]Cache{}
	for i, cache := range caches {
		addresses[i], byAddress[cache.Address] = cache.Address, cache
	}
	top := c.objects[len(c.objects)-1]
	failures := ErrNoCache
	held := 0
	for _, a := range remora.Assign(top.registration.Content.Root, addresses, len(addresses)) {
		if held == int(o.Replicas) {
			break
		}
		cache := byAddress[a]
		o.Progress("uploading to %s", cache.Name)
		if err := c.hand(ctx, cache); err != nil {
			failures = errors.Join(failures, fmt.Errorf("%s: %w", cache.Name, err))
			if ctx.Err() != nil {
				break
			}
			continue
		}
		held++
	}
	if held == 0 {
		return 0, fmt.Errorf("%w; %d caches are registered", failures, len(caches))
	}
	return held, nil
}

// hand uploads every object to one cache.
func (c *collection) hand(ctx context.Context, cache Cache) error {
	for _, object := range c.objects {
		if err := object.put(ctx, cache); err != nil {
			return fmt.Errorf("%s: %w", object.cid(), err)
		}
	}
	return nil
}

func (o *object) put(ctx context.Context, cache Cache) error {
	body, err := o.open()
	if err != nil {
		return err
	}
	defer body.Close()
	r, err := http.NewRequestWithContext(ctx, http.MethodPut, cache.URL+"/v1/content/"+o.cid(), body)
	if err != nil {
		return err
	}
	r.ContentLength = int64(o.registration.Content.Length)
	if r.ContentLength == 0 {
		r.Body = http.NoBody
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode != http.StatusCreated {
		reason, _ := io.ReadAll(io.LimitReader(resp.Body, 512))
		return fmt.Errorf("%s: %.400s", resp.Status, reason)
	}
	return nil
}

func (o *object) cid() string {
	return content.CID(o.registration.Content.Root, o.registration.Directory)
}
