package steady_test

import (
	"bytes"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/remora-network/remora/app/steady"
)

const (
	short = 20 * time.Millisecond
	long  = time.Minute
)

// TestWriter has a reader take the steps of a write one by one: each gets the full patience.
func TestWriter(t *testing.T) {
	near, far := net.Pipe()
	deadlines := 0
	w := steady.Writer{Writer: near, Step: 3, Patience: long, SetDeadline: func(at time.Time) error {
		deadlines++
		return near.SetWriteDeadline(at)
	}}
	got := make(chan []byte)
	go func() {
		b, _ := io.ReadAll(far)
		got <- b
	}()
	if n, err := w.Write([]byte("8 bytes.")); n != 8 || err != nil {
		t.Fatalf("wrote %d bytes, %v", n, err)
	}
	if err := near.Close(); err != nil {
		t.Fatal(err)
	}
	if b := <-got; string(b) != "8 bytes." || deadlines != 3 {
		t.Errorf("%q arrived in %d steps, want 3", b, deadlines)
	}
}

// TestWriterStalls reads one step and no more: the write ends, and says how far it came.
func TestWriterStalls(t *testing.T) {
	near, far := net.Pipe()
	go func() { _, _ = io.ReadFull(far, make([]byte, 3)) }()
	w := steady.Writer{Writer: near, Step: 3, Patience: short, SetDeadline: near.SetWriteDeadline}
	if n, err := w.Write([]byte("8 bytes.")); n != 3 || !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("wrote %d bytes, %v, want 3 and a timeout", n, err)
	}
	if err := errors.Join(near.Close(), far.Close()); err != nil {
		t.Fatal(err)
	}
}

// TestResponseWithoutConnection writes to a recorder, which has no deadlines.
func TestResponseWithoutConnection(t *testing.T) {
	recorder := httptest.NewRecorder()
	text := strings.Repeat("0123456789", 20_000)
	r := steady.NewResponse(recorder, short)
	if n, err := r.Write([]byte(text)); n != len(text) || err != nil || recorder.Body.String() != text {
		t.Errorf("wrote %d of %d bytes, %v", n, len(text), err)
	}
	r.ClearDeadline()
}

// TestBody serves a client that stops in the middle of its request, and one that does not.
func TestBody(t *testing.T) {
	failed := make(chan error, 1)
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		patience := map[string]time.Duration{"/short": short, "/long": long}[r.URL.Path]
		_, err := io.ReadAll(steady.NewBody(w, r, patience))
		failed <- err
	}))
	defer server.Close()
	resp, err := http.Post(server.URL+"/long", "text/plain", strings.NewReader("whole"))
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(<-failed, resp.Body.Close()); err != nil {
		t.Errorf("a whole body: %v", err)
	}
	c, err := net.Dial("tcp", server.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if _, err := io.WriteString(c, "POST /short HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nhalf"); err != nil {
		t.Fatal(err)
	}
	if err := <-failed; !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("a body that stops: %v, want a timeout", err)
	}
}

// TestUpload ends one upload, whose timer stops, and leaves another one unread.
func TestUpload(t *testing.T) {
	stalled := make(chan string, 2)
	body := func() io.ReadCloser { return io.NopCloser(bytes.NewReader([]byte("bytes"))) }
	read := steady.NewUpload(body(), long, func() { stalled <- "read" })
	if b, err := io.ReadAll(read); string(b) != "bytes" || err != nil {
		t.Errorf("read %q, %v", b, err)
	}
	unread := steady.NewUpload(body(), short, func() { stalled <- "unread" })
	if which := <-stalled; which != "unread" {
		t.Errorf("the upload that was %s has stalled", which)
	}
	if err := errors.Join(read.Close(), unread.Close()); err != nil {
		t.Fatal(err)
	}
}
