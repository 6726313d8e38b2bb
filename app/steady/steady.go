// Package steady ends transfers that make no progress. A peer may be as slow as it likes in total, but each step must end
// in time, so that a stalled peer does not hold memory, disk space or a slot for long.
package steady

import (
	"errors"
	"io"
	"net/http"
	"time"
)

// Writer writes in steps of at most Step bytes. Writing a step fails when it takes longer than Patience.
type Writer struct {
	io.Writer
	SetDeadline func(time.Time) error // of writes to Writer
	Step        int
	Patience    time.Duration
}

// Write implements io.Writer.
func (w Writer) Write(p []byte) (written int, err error) {
	for written < len(p) {
		if err := w.SetDeadline(time.Now().Add(w.Patience)); err != nil {
			return written, err
		}
		n, err := w.Writer.Write(p[written:min(written+w.Step, len(p))])
		if written += n; err != nil {
			return written, err
		}
	}
	return written, nil
}

// responseStep is the number of bytes of a response that are written at once, few enough for a slow client.
const responseStep = 64 << 10

// Response is a response to a client that has to make progress.
type Response struct {
	http.ResponseWriter
	steps Writer
}

// NewResponse returns a response that gives the client the same patience for each step.
func NewResponse(w http.ResponseWriter, patience time.Duration) Response {
	control := http.NewResponseController(w)
	return Response{w, Writer{w, ignoreUnsupported(control.SetWriteDeadline), responseStep, patience}}
}

// Write implements http.ResponseWriter.
func (r Response) Write(p []byte) (int, error) { return r.steps.Write(p) }

// ClearDeadline removes the deadline of the last step, so that the connection can serve further requests.
func (r Response) ClearDeadline() { _ = r.steps.SetDeadline(time.Time{}) }

// ignoreUnsupported ignores connections without deadlines, which only tests have.
func ignoreUnsupported(set func(time.Time) error) func(time.Time) error {
	return func(t time.Time) error {
		if err := set(t); !errors.Is(err, http.ErrNotSupported) {
			return err
		}
		return nil
	}
}

// Body is the body of a request from a client that has to make progress until it ends.
type Body struct {
	body        io.Reader
	setDeadline func(time.Time) error
	patience    time.Duration
}

// NewBody returns the body of r, of which each read ends within patience.
func NewBody(w http.ResponseWriter, r *http.Request, patience time.Duration) *Body {
	return &Body{r.Body, http.NewResponseController(w).SetReadDeadline, patience}
}

// Read implements io.Reader. After an error the deadline stays, so that the server does not wait for the rest of the body.
func (b *Body) Read(p []byte) (int, error) {
	_ = b.setDeadline(time.Now().Add(b.patience)) // fails only in tests, without a connection
	n, err := b.body.Read(p)
	if errors.Is(err, io.EOF) {
		_ = b.setDeadline(time.Time{})
	}
	return n, err
}

// Upload is the body of a request to a server that has to make progress: the server must accept the bytes of each read
// before the next one is due.
type Upload struct {
	io.ReadCloser
	timer    *time.Timer
	patience time.Duration
}

// NewUpload returns body as an upload. stalled is called when nothing was read for the time of patience; it should cancel
// the request.
func NewUpload(body io.ReadCloser, patience time.Duration, stalled func()) *Upload {
	return &Upload{body, time.AfterFunc(patience, stalled), patience}
}

// Read implements io.Reader.
func (u *Upload) Read(p []byte) (int, error) {
	n, err := u.ReadCloser.Read(p)
	if err != nil {
		u.timer.Stop()
	} else {
		u.timer.Reset(u.patience)
	}
	return n, err
}

// Close implements io.Closer.
func (u *Upload) Close() error {
	u.timer.Stop()
	return u.ReadCloser.Close()
}
