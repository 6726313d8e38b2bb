package p2p

import (
	"bufio"
	"bytes"
	"io"
	"testing"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
)

func TestQueueBounds(t *testing.T) {
	q := newFrameQueue(3, 10)
	for i, step := range []struct {
		size int
		want bool
	}{{4, true}, {7, false}, {6, true}, {1, false}} {
		if got := q.pushFrame(make([]byte, step.size)); got != step.want {
			t.Errorf("step %d: push of %d bytes: %v", i, step.size, got)
		}
	}
	if f, ok := q.popFrame(); !ok || len(f) != 4 {
		t.Errorf("pop: %d bytes, %v", len(f), ok)
	}
	for i, want := range []bool{true, true, false} {
		if got := q.pushFrame([]byte{byte(i)}); got != want {
			t.Errorf("push %d: %v", i, got)
		}
	}
	if frames, bytes := q.pendingSize(); frames != 3 || bytes != 8 {
		t.Errorf("%d frames, %d bytes; want 3 and 8", frames, bytes)
	}
	if n := q.pauseAndClear(); n != 3 || q.pushFrame([]byte{1}) {
		t.Errorf("pause dropped %d frames, want 3, and then refuses", n)
	}
	q.resumeIntake()
	for i := range 20 { // around the ring
		if !q.pushFrame([]byte{byte(i)}) {
			t.Fatalf("push %d refused", i)
		}
		if f, ok := q.popFrame(); !ok || f[0] != byte(i) {
			t.Fatalf("popped %v, %v, want %d", f, ok, i)
		}
	}
	if _, ok := q.popFrame(); ok {
		t.Error("popped from an empty queue")
	}
}

func TestQueueSharesFrames(t *testing.T) {
	frame := make([]byte, 100)
	a, b := newFrameQueue(1, 100), newFrameQueue(1, 100)
	a.pushFrame(frame)
	b.pushFrame(frame)
	fa, _ := a.popFrame()
	fb, _ := b.popFrame()
	if &fa[0] != &frame[0] || &fb[0] != &frame[0] {
		t.Error("a frame was copied")
	}
}

// tape is a stream for reading only.
type tape struct {
	network.MuxedStream
	r io.Reader
}

func (t tape) Read(b []byte) (int, error)      { return t.r.Read(b) }
func (t tape) SetReadDeadline(time.Time) error { return nil }

func FuzzFrames(f *testing.F) {
	f.Add([]byte{0, 0, 0, 1, 9})
	f.Add([]byte{0, 0, 0, 0})
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, input []byte) {
		const limit = 1000
		r := newFrameReader(tape{r: bytes.NewReader(input)}, limit, time.Second)
		var again bytes.Buffer
		w := bufio.NewWriter(&again)
		for {
			frame, err := r.readFrame()
			if err != nil {
				break
			}
			if len(frame) == 0 || len(frame) > limit {
				t.Fatalf("a frame of %d bytes", len(frame))
			}
			if err := writeFrame(w, frame); err != nil {
				t.Fatal(err)
			}
		}
		if err := w.Flush(); err != nil {
			t.Fatal(err)
		}
		if !bytes.HasPrefix(input, again.Bytes()) {
			t.Error("what was read does not encode to what was sent")
		}
	})
}
