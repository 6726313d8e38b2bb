package gateway

import (
	"context"
	"fmt"
	"io"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/proofs/content"
)

// A window is how much of a content a reader holds, twice: what is being read and what comes next. What is in the
// gateway's own store costs no round trips and is read in small ones.
const (
	farWindow  = transfer.MaxRange / 2
	nearWindow = 256 << 10
)

// reader reads content from anywhere and releases only what verified. While one window is read the next is fetched. It
// implements io.ReadSeeker for one response; close ends it.
type reader struct {
	ctx    context.Context // of the response: a reader lives as long
	source *source
	c      remora.Content
	size   uint64 // of a window
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

func (s *source) reader(ctx context.Context, c remora.Content) *reader {
	r := &reader{ctx: ctx, source: s, c: c, size: farWindow}
	if _, held := s.store.Length(c.Root); held {
		r.size = nearWindow
	}
	return r
}

// memory returns how many bytes the reader holds at most: two windows, and the stream of one.
func (r *reader) memory() uint64 { return min(3*r.size, 2*r.c.Length) }

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
	if err := r.begin(); err != nil {
		return 0, err
	}
	n := copy(p, r.current[r.offset-r.start:])
	r.offset += uint64(n)
	return n, nil
}

// begin makes sure that the byte at offset is here, if there is one. What failed is not tried again.
func (r *reader) begin() error {
	if r.failed == nil && r.offset < r.c.Length && (r.offset < r.start || r.offset >= r.start+uint64(len(r.current))) {
		r.failed = r.load()
	}
	return r.failed
}

// load makes the window at offset the current one and fetches the one behind it.
func (r *reader) load() error {
	at := r.offset - r.offset%r.size
	var got fetched
	if r.next != nil && r.nextAt == at {
		got = <-r.next
	} else {
		got.bytes, got.err = r.source.read(r.ctx, r.c, r.window(at))
	}
	r.next = nil
	if got.err != nil {
		return got.err
	}
	r.current, r.start = got.bytes, at
	if ahead := at + r.size; ahead < r.c.Length {
		next := make(chan fetched, 1) // nobody waits for what is not needed any more
		r.next, r.nextAt = next, ahead
		r.source.group.Go(func() {
			b, err := r.source.read(r.ctx, r.c, r.window(ahead))
			next <- fetched{b, err}
		})
	}
	return nil
}

func (r *reader) window(at uint64) content.Range {
	return content.Range{Offset: at, Length: min(r.size, r.c.Length-at)}
}
