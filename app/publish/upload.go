package publish

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"time"

	"github.com/remora-network/remora/app/steady"
	"github.com/remora-network/remora/app/transfer"
)

const (
	dialTimeout = 5 * time.Second
	// answerTimeout bounds the time in which a cache makes a received object durable and answers.
	answerTimeout = time.Minute
	// stallTimeout bounds the time in which a cache accepts no bytes of an object.
	stallTimeout = 30 * time.Second
)

// uploader uploads objects to caches.
type uploader struct {
	client *http.Client
	stall  time.Duration
}

func newUploader() *uploader {
	return &uploader{
		client: &http.Client{Transport: &http.Transport{
			DialContext: (&net.Dialer{Timeout: dialTimeout}).DialContext, ResponseHeaderTimeout: answerTimeout,
		}},
		stall: stallTimeout,
	}
}

// uploadToCaches uploads everything to the caches to which the chain assigns the top object, then to others, until
// enough hold all of it. It returns their number.
func (u *uploader) uploadToCaches(ctx context.Context, c *collection, caches []transfer.Cache, o Options) (int, error) {
	caches = slices.DeleteFunc(caches, func(c transfer.Cache) bool { return c.URL() == "" })
	top := c.objects[len(c.objects)-1]
	failures := ErrNoCache
	held := 0
	for _, cache := range transfer.OrderCaches(top.registration.Content.Root, caches) {
		if held == int(o.Replicas) {
			break
		}
		o.Progress("uploading to %s", cache.Name)
		err := u.uploadAll(ctx, c, cache)
		switch {
		case err == nil:
			held++
			continue
		case errors.Is(err, ErrChanged) || ctx.Err() != nil:
			return held, err // the next cache would fail in the same way
		}
		failures = errors.Join(failures, fmt.Errorf("%s: %w", cache.Name, err))
	}
	if held == 0 {
		return 0, fmt.Errorf("%w; %d caches are registered", failures, len(caches))
	}
	return held, nil
}

// uploadAll uploads every object to one cache.
func (u *uploader) uploadAll(ctx context.Context, c *collection, cache transfer.Cache) error {
	for _, object := range c.objects {
		if err := u.putObject(ctx, object, cache); err != nil {
			return fmt.Errorf("%q: %w", object.path, err)
		}
	}
	return nil
}

func (u *uploader) putObject(ctx context.Context, o *object, cache transfer.Cache) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	body, err := o.open()
	if err != nil {
		return fmt.Errorf("%w: %w", ErrChanged, err)
	}
	length := o.registration.Content.Length
	sent := steady.NewUpload(body, u.stall, func() { cancel(errStalled) })
	r, err := http.NewRequestWithContext(ctx, http.MethodPut, cache.URL()+"/v1/content/"+o.cid(), sent)
	if err != nil {
		return errors.Join(err, sent.Close())
	}
	r.ContentLength = int64(length)
	if length == 0 {
		r.Body = http.NoBody
		_ = sent.Close()
	}
	resp, err := u.client.Do(r)
	if err != nil {
		if errors.Is(context.Cause(ctx), errStalled) {
			return errStalled
		}
		return errors.Join(err, o.checkSize())
	}
	defer resp.Body.Close()
	reason, _ := io.ReadAll(io.LimitReader(resp.Body, 512))
	switch resp.StatusCode {
	case http.StatusCreated: // the file may have grown behind the announced length
		return o.checkSize()
	case http.StatusConflict: // the file changed, or the cache is lying
		if err := o.checkUnchanged(); err != nil {
			return err
		}
	}
	return fmt.Errorf("%s: %.400s", resp.Status, reason)
}

var errStalled = errors.New("the cache accepts no more bytes")
