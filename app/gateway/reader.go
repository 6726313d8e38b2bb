package gateway

import (
	"context"
	"fmt"
	"io"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/proofs/content"
)

// A reader holds two windows of a content: the one being read and the next one. Content in the gateway's own store costs
// no round trips, so its windows are small.
const (
	farWindow  = transfer.MaxRange / 2
	nearWindow = 256 << 10
)

// reader reads content from the gateway's store or from caches, verified, and fetches the next window while one is
// read. It implements io.ReadSeeker for one response and ends with that response's context.
type reader struct {
	ctx    context.Context // of the response
	source *source
	c      remora.Content
	size   uint64 // of a window in bytes
	offset uint64

	current []byte
	start   uint64 // of current
	next    chan fetched
	nextAt  uint64
	failed  error
}

type fetched struct {
	bytes []byte
	err   error
}

func (s *source) newReader(ctx context.Context, c remora.Content) *reader {
	r := &reader{ctx: ctx, source: s, c: c, size: farWindow}
	if _, held := s.store.Length(c.Root); held {
		r.size = nearWindow
	}
	return r
}

// memoryLimit returns the most bytes that the reader holds: two windows, and the stream of one.
func (r *reader) memoryLimit() uint64 { return min(3*r.size, 2*r.c.Length) }

// Seek implements io.Seeker.
func (r *reader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += int64(r.offset)
	case io.SeekEnd:
		offset += int64(r.c.Length)
	}
	if offset < 0 {
		return 0, fmt.Errorf("%w: seek to %d", remora.ErrInvalid, offset)
	}
	r.offset = uint64(offset)
	return offset, nil
}

// Read implements io.Reader.
func (r *reader) Read(p []byte) (int, error) {
	if r.offset >= r.c.Length {
		return 0, io.EOF
	}
	if err := r.ensureWindow(); err != nil {
		return 0, err
	}
	n := copy(p, r.current[r.offset-r.start:])
	r.offset += uint64(n)
	return n, nil
}

// ensureWindow loads the window at offset unless it is loaded. After an error it returns that error again.
func (r *reader) ensureWindow() error {
	if r.failed == nil && r.offset < r.c.Length && (r.offset < r.start || r.offset >= r.start+uint64(len(r.current))) {
		r.failed = r.loadWindow()
	}
	return r.failed
}

// loadWindow makes the window at offset the current one and starts to fetch the next one.
func (r *reader) loadWindow() error {
	at := r.offset - r.offset%r.size
	var got fetched
	if r.next != nil && r.nextAt == at {
		got = <-r.next
	} else {
		got.bytes, got.err = r.source.readRange(r.ctx, r.c, r.windowRange(at))
	}
	r.next = nil
	if got.err != nil {
		return got.err
	}
	r.current, r.start = got.bytes, at
	if ahead := at + r.size; ahead < r.c.Length {
		next := make(chan fetched, 1) // buffered: a window that is no longer needed is not received
		r.next, r.nextAt = next, ahead
		r.source.group.Go(func() {
			b, err := r.source.readRange(r.ctx, r.c, r.windowRange(ahead))
			next <- fetched{b, err}
		})
	}
	return nil
}

func (r *reader) windowRange(at uint64) content.Range {
	return content.Range{Offset: at, Length: min(r.size, r.c.Length-at)}
}
