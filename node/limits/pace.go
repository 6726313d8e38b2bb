package limits

import (
	"io"
	"net/http"
	"time"
)

// Pace is the least speed of a transfer. A peer may be idle for Grace; what it sends or takes gives it as much time again
// as the speed grants, never more than Grace ahead.
type Pace struct {
	PerSecond int64 // bytes
	Grace     time.Duration
}

// ClientPace is the pace of clients of the web. Ten kilobytes a second are a bad mobile connection.
var ClientPace = Pace{PerSecond: 10 << 10, Grace: 3 * time.Second}

// TimeFor returns the most time that a transfer of n bytes may take.
func (p Pace) TimeFor(n int) time.Duration {
	return p.Grace + time.Duration(n)*time.Second/time.Duration(p.PerSecond)
}

// Advance returns the time at which the next bytes of a transfer are due at the latest, when n came now and they were due
// at a time.
func (p Pace) Advance(due, now time.Time, n int) time.Time {
	due = due.Add(time.Duration(n) * time.Second / time.Duration(p.PerSecond))
	if latest := now.Add(p.Grace); due.After(latest) {
		return latest
	}
	return due
}

// pacedBody is the body of a request whose sender has to keep a pace.
type pacedBody struct {
	body        io.Reader
	setDeadline func(time.Time) error
	pace        Pace
	due         time.Time
}

// PaceBody returns the body of r, whose sender has to keep a pace until it ends. After an error the deadline stays, so that
// the server does not wait for the rest of the body.
func PaceBody(w http.ResponseWriter, r *http.Request, pace Pace) io.Reader {
	return &pacedBody{r.Body, http.NewResponseController(w).SetReadDeadline, pace, time.Now().Add(pace.Grace)}
}

// Read implements io.Reader.
func (b *pacedBody) Read(p []byte) (int, error) {
	_ = b.setDeadline(b.due) // fails only in tests, without a connection
	n, err := b.body.Read(p)
	if err == io.EOF { // io.Reader returns io.EOF itself
		_ = b.setDeadline(time.Time{})
	}
	b.due = b.pace.Advance(b.due, time.Now(), n)
	return n, err
}
