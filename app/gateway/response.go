package gateway

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/remora-network/remora/app/transfer"
)

const (
	// writePatience is how long a client may take nothing of a response that is there for it.
	writePatience = 30 * time.Second
	// writeStep is how much is written at once: a slow client gets through that much in time.
	writeStep = 64 << 10
	// budget bounds the bytes of content that all responses hold in memory together.
	budget = 768 << 20
	// smallest is the weight of the smallest response.
	smallest = 64 << 10
	// budgetWait is how long a request waits for its part of the budget.
	budgetWait = 15 * time.Second
)

// admit waits until a response that may hold so many bytes has room, and returns what gives it back.
func (g *Gateway) admit(ctx context.Context, bytes uint64) (release func(), err error) {
	weight := int64(min(max(bytes, smallest), 3*transfer.MaxRange))
	waiting, cancel := context.WithTimeout(ctx, budgetWait)
	defer cancel()
	if err := g.memory.Acquire(waiting, weight); err != nil {
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		return nil, failed(http.StatusServiceUnavailable, "transfer", "too many transfers are under way; try again in a few seconds")
	}
	return func() { g.memory.Release(weight) }, nil
}

// steady writes to a client that has to take something again and again.
type steady struct {
	http.ResponseWriter
	control  *http.ResponseController
	patience time.Duration
}

func newSteady(w http.ResponseWriter, patience time.Duration) steady {
	return steady{w, http.NewResponseController(w), patience}
}

// Write implements io.Writer.
func (s steady) Write(p []byte) (written int, err error) {
	for written < len(p) {
		// A connection without deadlines is a test's.
		_ = s.control.SetWriteDeadline(time.Now().Add(s.patience))
		n, err := s.ResponseWriter.Write(p[written:min(written+writeStep, len(p))])
		if written += n; err != nil {
			return written, err
		}
	}
	return written, nil
}

// done lets the connection serve other requests.
func (s steady) done() { _ = s.control.SetWriteDeadline(time.Time{}) }

// response is that of a file. It has no status before the first bytes of its body are here: a file that nobody delivers
// is an error, not an empty 200.
type response struct {
	steady
	body *reader
	head bool  // there is no body
	err  error // why nothing was answered
}

// WriteHeader implements http.ResponseWriter. The body has been set to where the response begins.
func (r *response) WriteHeader(status int) {
	switch {
	case status == http.StatusRequestedRangeNotSatisfiable:
		r.Header().Set("Content-Range", fmt.Sprintf("bytes */%d", r.body.c.Length))
		r.err = failed(status, "resolve", "no such range: the content has %d bytes, want bytes=FIRST-LAST", r.body.c.Length)
	case !r.head && (status == http.StatusOK || status == http.StatusPartialContent):
		r.err = r.body.begin()
	}
	if r.err == nil {
		r.ResponseWriter.WriteHeader(status)
	}
}

// Write implements io.Writer.
func (r *response) Write(p []byte) (int, error) {
	if r.err != nil {
		return 0, r.err
	}
	return r.steady.Write(p)
}

// oneRange returns the request with a Range that http.ServeContent answers as RFC 9110 says, or without one. Several
// ranges would let a short request fetch a file many times over, so that all of it is served instead, as for units other
// than bytes and for content that has none.
func oneRange(r *http.Request, length uint64) *http.Request {
	ranges := r.Header.Values("Range")
	if len(ranges) == 0 {
		return r
	}
	other := *r
	other.Header = r.Header.Clone()
	spec, ok := strings.CutPrefix(ranges[0], "bytes=")
	switch {
	case len(ranges) > 1 || !ok || strings.Contains(spec, ",") || length == 0:
		other.Header.Del("Range")
	case len(spec) > 1 && strings.Trim(spec[1:], "0") == "" && spec[0] == '-': // the last 0 bytes: there is no such range
		other.Header.Set("Range", fmt.Sprintf("bytes=%d-", length))
	}
	return &other
}
