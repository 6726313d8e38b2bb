package segment

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/remora-network/remora"
)

// window is how much is read at once: many small records, or one header of a large one without much of its payload.
const window = 4 << 10

// scanner walks the records of one segment. It trusts no byte of it.
type scanner struct {
	file     io.ReaderAt
	name     string
	segment  uint32
	size     int64 // bytes to look at
	off      int64
	payloads bool // read and check payloads too
	genuine  func(remora.Hash, []byte) bool

	win   []byte // bytes of the file from winAt
	winAt int64
	buf   []byte // payload of the last item
}

// item is an intact record, or a damage when that is set. The payload is nil unless the scanner reads payloads, and
// valid until the next call.
type item struct {
	header  header
	payload []byte
	damage  *Damage
}

// next returns the next item, or io.EOF. Other errors come from the disk.
func (s *scanner) next() (item, error) {
	if s.off >= s.size {
		return item{}, io.EOF
	}
	h, ok, err := s.header(s.off)
	if err != nil {
		return item{}, err
	}
	if !ok {
		return s.resync()
	}
	if h.loc.end() > s.size {
		return s.damaged(s.size, h.digest), nil
	}
	if !s.payloads {
		s.off = h.loc.end()
		return item{header: h}, nil
	}
	payload, err := s.payload(h)
	if err != nil {
		return item{}, err
	}
	if !h.holds(payload) {
		return s.damaged(h.loc.end(), h.digest), nil
	}
	s.off = h.loc.end()
	return item{header: h, payload: payload}, nil
}

// damaged reports the range up to end and continues there.
func (s *scanner) damaged(end int64, digest remora.Hash) item {
	d := &Damage{File: s.name, Segment: s.segment, Offset: s.off, Length: end - s.off, Digest: digest}
	s.off = end
	return item{damage: d}
}

// resync skips to the next record that is intact in every respect, because the length in a damaged header means nothing.
func (s *scanner) resync() (item, error) {
	var mark [4]byte
	binary.LittleEndian.PutUint32(mark[:], magic)
	for off := s.off + 1; off+headerSize <= s.size; {
		b, err := s.bytes(off, headerSize)
		if err != nil {
			return item{}, err
		}
		i := bytes.Index(b, mark[:])
		if i < 0 {
			off += int64(len(b) - len(mark) + 1)
			continue
		}
		off += int64(i)
		ok, err := s.intact(off)
		if err != nil {
			return item{}, err
		}
		if ok {
			return s.damaged(off, remora.Hash{}), nil
		}
		off++
	}
	return s.damaged(s.size, remora.Hash{}), nil
}

// intact reports whether a whole record begins at off.
func (s *scanner) intact(off int64) (bool, error) {
	h, ok, err := s.header(off)
	if err != nil || !ok || h.loc.end() > s.size {
		return false, err
	}
	payload, err := s.payload(h)
	if err != nil || !h.holds(payload) {
		return false, err
	}
	return s.genuine == nil || s.genuine(h.digest, payload), nil
}

// header reads the header at off; ok is false when there is none.
func (s *scanner) header(off int64) (h header, ok bool, err error) {
	if s.size-off < headerSize {
		return header{}, false, nil
	}
	b, err := s.bytes(off, headerSize)
	if err != nil {
		return header{}, false, err
	}
	h, ok = decode(b, s.segment, uint32(off))
	return h, ok, nil
}

func (s *scanner) payload(h header) ([]byte, error) {
	if cap(s.buf) < int(h.loc.Length) {
		s.buf = make([]byte, h.loc.Length)
	}
	b := s.buf[:h.loc.Length]
	return b, s.read(b, int64(h.loc.Offset)+headerSize)
}

// bytes returns what the window holds from off on, at least n bytes; off+n is within the segment.
func (s *scanner) bytes(off int64, n int) ([]byte, error) {
	if off < s.winAt || off+int64(n) > s.winAt+int64(len(s.win)) {
		if s.win == nil {
			s.win = make([]byte, window)
		}
		s.win, s.winAt = s.win[:min(window, s.size-off)], off
		if err := s.read(s.win, off); err != nil {
			return nil, err
		}
	}
	return s.win[off-s.winAt:], nil
}

func (s *scanner) read(b []byte, off int64) error {
	if n, err := s.file.ReadAt(b, off); err != nil && (n < len(b) || !errors.Is(err, io.EOF)) {
		return fmt.Errorf("read %d bytes of %s at offset %d: %w", len(b), s.name, off, err)
	}
	return nil
}
