package segment

import (
	"errors"
	"fmt"
	"io"

	"github.com/remora-network/remora"
)

// Has reports whether a record with that digest is stored, durable or not.
func (l *Log) Has(digest remora.Hash) bool {
	_, ok := l.findLocation(digest)
	return ok
}

func (l *Log) findLocation(digest remora.Hash) (Location, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	loc, ok := l.index[digest]
	return loc, ok
}

// Get returns the payload with that digest, which the caller owns. It returns ErrNotFound or ErrCorrupt; a damaged
// record is removed from the index, so that it can be appended again.
func (l *Log) Get(digest remora.Hash) ([]byte, error) {
	loc, ok := l.findLocation(digest)
	if !ok {
		return nil, l.missingError("digest " + digest.String())
	}
	r, err := l.readRecord(loc)
	if at, ok := l.findLocation(digest); ok && at != loc && errors.Is(err, ErrNotFound) {
		return l.Get(digest) // it was moved
	}
	if err == nil && r.Digest != digest {
		err = fmt.Errorf("%w: digest %s is indexed at segment %d offset %d, which holds %s", ErrCorrupt, digest, loc.Segment, loc.Offset, r.Digest)
	}
	if errors.Is(err, ErrCorrupt) {
		l.forgetRecord(digest, loc)
	}
	if err != nil {
		return nil, err
	}
	return r.Payload, nil
}

// missingError returns ErrClosed for a closed log, else ErrNotFound.
func (l *Log) missingError(what string) error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.segments == nil {
		return ErrClosed
	}
	return fmt.Errorf("%w: %s", ErrNotFound, what)
}

// forgetRecord removes a damaged record from the index, unless it was stored again elsewhere in the meantime.
func (l *Log) forgetRecord(digest remora.Hash, loc Location) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.index[digest] == loc {
		delete(l.index, digest)
	}
}

// readRecord returns the record at a place; the caller owns it. It returns ErrNotFound if the segment was removed or is
// shorter, ErrCorrupt if the bytes are not those appended.
func (l *Log) readRecord(loc Location) (Record, error) {
	s, size := l.acquireSegment(loc.Segment)
	if s == nil || loc.endOffset() > size {
		if s != nil {
			s.readers.RUnlock()
		}
		return Record{}, l.missingError(fmt.Sprintf("segment %d offset %d", loc.Segment, loc.Offset))
	}
	defer s.readers.RUnlock()
	b := make([]byte, headerSize+int(loc.Length))
	if n, err := s.file.ReadAt(b, int64(loc.Offset)); n < len(b) {
		return Record{}, fmt.Errorf("%w: %s offset %d: %w", ErrCorrupt, s.name, loc.Offset, err)
	}
	h, ok := decodeHeader(b[:headerSize], loc.Segment, loc.Offset)
	payload := b[headerSize:len(b):len(b)]
	if !ok || h.loc != loc || !h.matchesPayload(payload) {
		return Record{}, fmt.Errorf("%w: %s offset %d", ErrCorrupt, s.name, loc.Offset)
	}
	return h.withPayload(payload), nil
}

// Describe returns the record with that digest without its payload, which is not read: the header has a checksum of its
// own.
func (l *Log) Describe(digest remora.Hash) (Record, error) {
	loc, ok := l.findLocation(digest)
	if !ok {
		return Record{}, l.missingError("digest " + digest.String())
	}
	s, size := l.acquireSegment(loc.Segment)
	if s == nil {
		if at, ok := l.findLocation(digest); ok && at != loc {
			return l.Describe(digest) // it was moved
		}
		return Record{}, l.missingError(fmt.Sprintf("segment %d", loc.Segment))
	}
	defer s.readers.RUnlock()
	var b [headerSize]byte
	if loc.endOffset() <= size {
		if _, err := s.file.ReadAt(b[:], int64(loc.Offset)); err == nil {
			if h, ok := decodeHeader(b[:], loc.Segment, loc.Offset); ok && h.loc == loc && h.digest == digest {
				return h.withPayload(nil), nil
			}
		}
	}
	l.forgetRecord(digest, loc)
	return Record{}, fmt.Errorf("%w: %s offset %d", ErrCorrupt, s.name, loc.Offset)
}

// acquireSegment returns a segment locked for reading and the size of its records, or nil. The caller unlocks
// s.readers.
func (l *Log) acquireSegment(number uint32) (*segment, int64) {
	l.mu.RLock()
	s := l.segments[number]
	if s == nil {
		l.mu.RUnlock()
		return nil, 0
	}
	size := s.size
	l.mu.RUnlock()
	s.readers.RLock()
	if s.retired {
		s.readers.RUnlock()
		return nil, 0
	}
	return s, size
}

// Headers calls visit with every record from the start of a segment on, in the order of appending, without the payloads,
// which are neither read nor verified. visit must not call Remove or Close. Records appended during the call may or may
// not be visited.
func (l *Log) Headers(segment uint32, visit func(Location, Record) error) error {
	_, err := l.scanSegments(Location{Segment: segment}, false, visit)
	return err
}

// SegmentHeaders calls visit with every record of one segment, as Headers does.
func (l *Log) SegmentHeaders(segment uint32, visit func(Location, Record) error) error {
	_, err := l.scanSegment(segment, 0, false, visit)
	return err
}

func (l *Log) scanSegments(from Location, payloads bool, visit func(Location, Record) error) ([]Damage, error) {
	var damage []Damage
	for _, number := range l.Segments() {
		if number < from.Segment {
			continue
		}
		start := int64(0)
		if number == from.Segment {
			start = int64(from.Offset)
		}
		found, err := l.scanSegment(number, start, payloads, visit)
		damage = append(damage, found...)
		if err != nil {
			return damage, err
		}
	}
	return damage, nil
}

func (l *Log) scanSegment(number uint32, start int64, payloads bool, visit func(Location, Record) error) ([]Damage, error) {
	s, size := l.acquireSegment(number)
	if s == nil {
		return nil, nil // removed in the meantime
	}
	defer s.readers.RUnlock()
	sc := l.newScanner(s, size, payloads)
	sc.off = start
	var damage []Damage
	for {
		it, err := sc.nextItem()
		switch {
		case errors.Is(err, io.EOF):
			return damage, nil
		case err != nil:
			return damage, fmt.Errorf("segment: scan: %w", err)
		case it.damage != nil:
			damage = append(damage, *it.damage)
		default:
			if err := visit(it.header.loc, it.header.withPayload(it.payload)); err != nil {
				return damage, err
			}
		}
	}
}
