package gateway

import (
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/transfer"
	"github.com/remora-network/remora/proofs/content"
)

// window is how much of a content a reader holds, twice: what is being read and what comes next.
const window = transfer.MaxRange

// reader reads content from anywhere and releases only what verified. While one window is read the next is fetched. It
// implements io.ReadSeeker for one response; close ends it.
type reader struct {
	ctx    context.Context // of the response: a reader lives as long
	source *source
	c      remora.Content
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
	if r.offset < r.start || r.offset >= r.start+uint64(len(r.current)) {
		if r.failed = r.load(); r.failed != nil {
			return 0, r.failed
		}
	}
	n := copy(p, r.current[r.offset-r.start:])
	r.offset += uint64(n)
	return n, nil
}

// load makes the window at offset the current one and fetches the one behind it.
func (r *reader) load() error {
	at := r.offset - r.offset%window
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
	if ahead := at + window; ahead < r.c.Length {
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
	return content.Range{Offset: at, Length: min(window, r.c.Length-at)}
}

// broken reports whether reading failed for another reason than the client's leaving.
func (r *reader) broken() bool { return r.failed != nil && !errors.Is(r.failed, context.Canceled) }
