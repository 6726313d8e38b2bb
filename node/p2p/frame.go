package p2p

import (
	"bufio"
	"encoding/binary"
	"fmt"
	"io"
	"time"

	"github.com/libp2p/go-libp2p/core/network"
)

// A frame is its length (4 bytes, big-endian) and its payload.
const headerSize = 4

const (
	// yamuxMessage is the largest yamux message in bytes. It fits into one noise message of 65,519 bytes; libp2p's 64 KiB
	// needs a second one of 17 bytes. Half the size costs a tenth more processor time per byte.
	yamuxMessage = 65_000
	yamuxHeader  = 12
	// writeStep is four full yamux messages: the size of the write buffer, and the step in which progress is measured.
	writeStep  = 4 * (yamuxMessage - yamuxHeader)
	readBuffer = 64 << 10
)

// writeFrame writes a frame. An error of a bufio.Writer stays: the last write returns that of any before.
func writeFrame(w *bufio.Writer, frame []byte) error {
	_, _ = w.Write(binary.BigEndian.AppendUint32(w.AvailableBuffer(), uint32(len(frame))))
	_, err := w.Write(frame)
	return err
}

// frameReader reads frames from a stream. Silence between frames may last forever; once a frame has begun, each step of
// it must arrive within timeout.
type frameReader struct {
	stream  network.MuxedStream
	buffer  *bufio.Reader
	limit   int
	timeout time.Duration
}

func newFrameReader(s network.MuxedStream, limit int, timeout time.Duration) *frameReader {
	return &frameReader{stream: s, buffer: bufio.NewReaderSize(s, readBuffer), limit: limit, timeout: timeout}
}

// readFrame returns the next frame in newly allocated memory. The length is checked before the allocation.
func (r *frameReader) readFrame() ([]byte, error) {
	if _, err := r.buffer.Peek(1); err != nil {
		return nil, err
	}
	timed := r.buffer.Buffered() < headerSize
	if timed {
		if err := r.extendDeadline(); err != nil {
			return nil, err
		}
	}
	var header [headerSize]byte
	if _, err := io.ReadFull(r.buffer, header[:]); err != nil {
		return nil, err
	}
	size := binary.BigEndian.Uint32(header[:])
	if size == 0 {
		return nil, fmt.Errorf("%w: an empty frame", ErrMalformed)
	}
	if uint64(size) > uint64(r.limit) {
		return nil, fmt.Errorf("%w: a frame of %d bytes, the limit is %d", ErrTooLarge, size, r.limit)
	}
	payload := make([]byte, size)
	for done := 0; done < len(payload); {
		step := payload[done:min(done+writeStep, len(payload))]
		if r.buffer.Buffered() < len(step) {
			timed = true
			if err := r.extendDeadline(); err != nil {
				return nil, err
			}
		}
		n, err := io.ReadFull(r.buffer, step)
		if err != nil {
			return nil, err
		}
		done += n
	}
	if timed {
		return payload, r.stream.SetReadDeadline(time.Time{})
	}
	return payload, nil
}

func (r *frameReader) extendDeadline() error {
	return r.stream.SetReadDeadline(time.Now().Add(r.timeout))
}
