package segment

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"

	"github.com/remora-network/remora"
)

// windowSize is the number of bytes read at once: many small records, or one header without much of a large payload.
const windowSize = 4 << 10

// scanner walks the records of one segment. It trusts none of its bytes.
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

// item is an intact record, or a damage if that is set. The payload is nil unless the scanner reads payloads, and valid
// until the next call of nextItem.
type item struct {
	header  header
	payload []byte
	damage  *Damage
}

// nextItem returns the next item, or io.EOF. Other errors are the disk's.
func (s *scanner) nextItem() (item, error) {
	if s.off >= s.size {
		return item{}, io.EOF
	}
	h, ok, err := s.readHeader(s.off)
	if err != nil {
		return item{}, err
	}
	if !ok {
		return s.skipToRecord()
	}
	if h.loc.endOffset() > s.size {
		return s.skipDamage(s.size, h.digest), nil
	}
	if !s.payloads {
		s.off = h.loc.endOffset()
		return item{header: h}, nil
	}
	payload, err := s.readPayload(h)
	if err != nil {
		return item{}, err
	}
	if !h.matchesPayload(payload) {
		return s.skipDamage(h.loc.endOffset(), h.digest), nil
	}
	s.off = h.loc.endOffset()
	return item{header: h, payload: payload}, nil
}

// skipDamage returns the range up to end as damage and moves there.
func (s *scanner) skipDamage(end int64, digest remora.Hash) item {
	d := &Damage{File: s.name, Segment: s.segment, Offset: s.off, Length: end - s.off, Digest: digest}
	s.off = end
	return item{damage: d}
}

// skipToRecord moves to the next intact record, searching byte by byte: the length in a damaged header cannot be
// trusted.
func (s *scanner) skipToRecord() (item, error) {
	var mark [4]byte
	binary.LittleEndian.PutUint32(mark[:], magic)
	for off := s.off + 1; off+headerSize <= s.size; {
		b, err := s.windowAt(off, headerSize)
		if err != nil {
			return item{}, err
		}
		i := bytes.Index(b, mark[:])
		if i < 0 {
			off += int64(len(b) - len(mark) + 1)
			continue
		}
		off += int64(i)
		ok, err := s.recordIntact(off)
		if err != nil {
			return item{}, err
		}
		if ok {
			return s.skipDamage(off, remora.Hash{}), nil
		}
		off++
	}
	return s.skipDamage(s.size, remora.Hash{}), nil
}

// recordIntact reports whether a complete, genuine record begins at off.
func (s *scanner) recordIntact(off int64) (bool, error) {
	h, ok, err := s.readHeader(off)
	if err != nil || !ok || h.loc.endOffset() > s.size {
		return false, err
	}
	payload, err := s.readPayload(h)
	if err != nil || !h.matchesPayload(payload) {
		return false, err
	}
	return s.genuine == nil || s.genuine(h.digest, payload), nil
}

// readHeader returns the header at off; ok is false if there is none.
func (s *scanner) readHeader(off int64) (h header, ok bool, err error) {
	if s.size-off < headerSize {
		return header{}, false, nil
	}
	b, err := s.windowAt(off, headerSize)
	if err != nil {
		return header{}, false, err
	}
	h, ok = decodeHeader(b, s.segment, uint32(off))
	return h, ok, nil
}

func (s *scanner) readPayload(h header) ([]byte, error) {
	if cap(s.buf) < int(h.loc.Length) {
		s.buf = make([]byte, h.loc.Length)
	}
	b := s.buf[:h.loc.Length]
	return b, s.readBytes(b, int64(h.loc.Offset)+headerSize)
}

// windowAt returns the bytes from off on, at least n of them; off+n must be within the segment.
func (s *scanner) windowAt(off int64, n int) ([]byte, error) {
	if off < s.winAt || off+int64(n) > s.winAt+int64(len(s.win)) {
		if s.win == nil {
			s.win = make([]byte, windowSize)
		}
		s.win, s.winAt = s.win[:min(windowSize, s.size-off)], off
		if err := s.readBytes(s.win, off); err != nil {
			return nil, err
		}
	}
	return s.win[off-s.winAt:], nil
}

func (s *scanner) readBytes(b []byte, off int64) error {
	if n, err := s.file.ReadAt(b, off); err != nil && (n < len(b) || !errors.Is(err, io.EOF)) {
		return fmt.Errorf("read %d bytes of %s at offset %d: %w", len(b), s.name, off, err)
	}
	return nil
}
