package limits

import (
	"errors"
	"io"
	"net/http"
)

// Reasons not to read a body.
var (
	ErrNoRoom   = errors.New("too many bytes of requests are under way")
	ErrTooLarge = errors.New("the body is too large")
)

// SmallBody is the number of bytes that a body may have without room of its own: as many as a connection has in buffers
// anyway. So a full budget does not keep a transaction out.
const SmallBody = 16 << 10

// Bodies are the bodies of requests that are in memory at a time.
type Bodies struct {
	room *Slots // of bytes
	pace Pace
}

// NewBodies returns a budget of total bytes, of which each owner may have at most each.
func NewBodies(total, each int64, pace Pace) *Bodies { return &Bodies{NewSlots(total, each), pace} }

// ReadBody reads the body of a request of at most limit bytes, for an owner. The room for it is taken before the bytes come,
// all of it where the length is announced, and given back by release, which is never nil. The sender has to keep the pace.
// It fails with ErrNoRoom, with ErrTooLarge, or because the body did not come.
func (b *Bodies) ReadBody(w http.ResponseWriter, r *http.Request, owner string, limit int64) (body []byte, release func(), err error) {
	held := int64(0)
	release = func() { b.room.ReleaseSlots(owner, held) }
	if r.ContentLength > limit {
		return nil, release, ErrTooLarge
	}
	take := func(n int64) bool {
		if n <= SmallBody || !b.room.TakeSlots(owner, n) {
			return n <= SmallBody
		}
		held += n
		return true
	}
	source := PaceBody(w, r, b.pace)
	if r.ContentLength >= 0 {
		if !take(r.ContentLength) {
			return nil, release, ErrNoRoom
		}
		body = make([]byte, r.ContentLength)
		if _, err := io.ReadFull(source, body); err != nil {
			return nil, release, err
		}
		return body, release, readEnd(source)
	}
	body = make([]byte, 0, min(limit+1, SmallBody))
	for {
		n, err := source.Read(body[len(body):cap(body)])
		body = body[:len(body)+n]
		switch {
		case int64(len(body)) > limit:
			return nil, release, ErrTooLarge
		case err == io.EOF: // io.Reader returns io.EOF itself
			return body, release, nil
		case err != nil:
			return nil, release, err
		case len(body) < cap(body):
			continue
		}
		before, size := held, min(2*int64(cap(body)), limit+1)
		if !take(size) {
			return nil, release, ErrNoRoom
		}
		body = append(make([]byte, 0, size), body...)
		b.room.ReleaseSlots(owner, before)
		held -= before
	}
}

// readEnd reads the end of a body of which everything came.
func readEnd(source io.Reader) error {
	if _, err := source.Read(make([]byte, 1)); err != io.EOF { // io.Reader returns io.EOF itself
		return err
	}
	return nil
}
