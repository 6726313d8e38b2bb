package content

import (
	"errors"
	"io"
	"slices"

	"github.com/remora-network/remora"
)

const (
	// encoderBatch is the number of bytes that the encoder gathers for one write.
	encoderBatch = 8 * PieceSize
	// windowPairs is the number of pairs that it reads from the outboard at once: those of 4 MiB of content.
	windowPairs = 255
)

// Encoder makes the verified stream of a range from content and outboard. It verifies everything that it reads: damaged
// bytes are never sent but end the stream with a Mismatch. Its memory is 160 KiB.
type Encoder struct {
	data   io.ReaderAt
	pairs  window
	walk   walk
	buf    []byte
	unread []byte
	err    error
}

// NewEncoder returns an encoder of a range of the content with the given root and length.
func NewEncoder(data, outboard io.ReaderAt, root remora.Hash, length uint64, rng Range) (*Encoder, error) {
	w, err := newWalk(root, length, rng)
	if err != nil {
		return nil, err
	}
	size := int(min(w.rng.Length, encoderBatch)) + maxGroup
	return &Encoder{data: data, pairs: window{src: outboard}, walk: w, buf: make([]byte, 0, size)}, nil
}

// Read reads the stream.
func (e *Encoder) Read(p []byte) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	if err := e.fillBuffer(); err != nil {
		return 0, err
	}
	n := copy(p, e.unread)
	e.unread = e.unread[n:]
	return n, nil
}

// WriteTo writes the stream to w.
func (e *Encoder) WriteTo(w io.Writer) (int64, error) {
	var total int64
	for {
		if err := e.fillBuffer(); errors.Is(err, io.EOF) {
			return total, nil
		} else if err != nil {
			return total, err
		}
		n, err := w.Write(e.unread)
		total += int64(n)
		e.unread = e.unread[n:]
		if err != nil {
			return total, err
		}
	}
}

// fillBuffer makes unread bytes. Once all are read it returns the error that ended the stream.
func (e *Encoder) fillBuffer() error {
	if len(e.unread) > 0 {
		return nil
	}
	e.buf = e.buf[:0]
	for e.err == nil && cap(e.buf)-len(e.buf) >= maxGroup {
		e.err = e.appendGroup()
	}
	e.unread = e.buf
	if len(e.unread) > 0 {
		return nil
	}
	return e.err
}

// appendGroup verifies the next group and appends it to the buffer.
func (e *Encoder) appendGroup() error {
	if e.walk.isDone() {
		return io.EOF
	}
	pairs, size := e.walk.groupShape()
	group := e.buf[len(e.buf) : len(e.buf)+pairs*PairSize+size]
	rest := group
	for range pairs {
		pair := (*[PairSize]byte)(rest)
		if err := e.pairs.readPair(pair, e.walk.nextNode()); err != nil {
			return asMismatch(err, e.walk.nextNode())
		}
		if err := e.walk.visitPair(pair); err != nil {
			return err
		}
		rest = rest[PairSize:]
	}
	if err := readFullAt(e.data, rest, int64(e.walk.nextNode().start)); err != nil {
		return asMismatch(err, e.walk.nextNode())
	}
	if err := e.walk.visitPiece(rest); err != nil {
		return err
	}
	e.buf = e.buf[:len(e.buf)+len(group)]
	return nil
}

// asMismatch turns the early end of a file into a Mismatch: the store is damaged.
func asMismatch(err error, at node) error {
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return &Mismatch{at.start, at.length}
	}
	return err
}

// window reads pairs from an outboard, all pairs of a small subtree at once.
type window struct {
	src   io.ReaderAt
	start int64 // of buf in the outboard
	buf   []byte
}

func (w *window) readPair(pair *[PairSize]byte, n node) error {
	place := n.pairOffset()
	if place < w.start || place >= w.start+int64(len(w.buf)) {
		if n.countParents() > windowPairs {
			return readFullAt(w.src, pair[:], place)
		}
		w.start = int64(n.before * PairSize)
		w.buf = slices.Grow(w.buf[:0], int(n.countParents()*PairSize))[:n.countParents()*PairSize]
		if err := readFullAt(w.src, w.buf, w.start); err != nil {
			w.buf = w.buf[:0]
			return err
		}
	}
	copy(pair[:], w.buf[place-w.start:])
	return nil
}

// readFullAt fills p. It returns io.ErrUnexpectedEOF if the source ends early.
func readFullAt(src io.ReaderAt, p []byte, offset int64) error {
	if len(p) == 0 {
		return nil
	}
	n, err := src.ReadAt(p, offset)
	if n == len(p) {
		return nil
	}
	if err == nil || errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}
