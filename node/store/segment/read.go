package segment

import (
	"errors"
	"fmt"
	"io"

	"github.com/remora-network/remora"
)

// Has reports whether a record of that digest is stored; whether it is durable only Sync tells.
func (l *Log) Has(digest remora.Hash) bool {
	_, ok := l.locate(digest)
	return ok
}

// Len returns the number of records in the index.
func (l *Log) Len() int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return len(l.index)
}

func (l *Log) locate(digest remora.Hash) (Location, bool) {
	l.mu.RLock()
	defer l.mu.RUnlock()
	loc, ok := l.index[digest]
	return loc, ok
}

// Get returns the payload of that digest, which the caller owns. It returns ErrNotFound, or ErrCorrupt; a damaged record
// is forgotten, so that Append takes it again.
func (l *Log) Get(digest remora.Hash) ([]byte, error) {
	loc, ok := l.locate(digest)
	if !ok {
		return nil, l.missing("digest " + digest.String())
	}
	r, err := l.ReadRecord(loc)
	if err == nil && r.Digest != digest {
		err = fmt.Errorf("%w: digest %s is indexed at segment %d offset %d, which holds %s", ErrCorrupt, digest, loc.Segment, loc.Offset, r.Digest)
	}
	if errors.Is(err, ErrCorrupt) {
		l.drop(digest, loc)
	}
	if err != nil {
		return nil, err
	}
	return r.Payload, nil
}

// missing returns why nothing is found.
func (l *Log) missing(what string) error {
	l.mu.RLock()
	defer l.mu.RUnlock()
	if l.segments == nil {
		return ErrClosed
	}
	return fmt.Errorf("%w: %s", ErrNotFound, what)
}

// drop forgets a damaged record, unless it was stored again elsewhere in the meantime.
func (l *Log) drop(digest remora.Hash, loc Location) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.index[digest] == loc {
		delete(l.index, digest)
	}
}

// Read returns the payload at a place that Append or Scan returned; the caller owns it. It returns ErrNotFound when the
// segment was removed or does not reach that far, ErrCorrupt when the bytes are not those appended.
func (l *Log) Read(loc Location) ([]byte, error) {
	r, err := l.ReadRecord(loc)
	return r.Payload, err
}

// ReadRecord is Read with the header's fields.
func (l *Log) ReadRecord(loc Location) (Record, error) {
	s, size := l.acquire(loc.Segment)
	if s == nil || loc.end() > size {
		if s != nil {
			s.open.RUnlock()
		}
		return Record{}, l.missing(fmt.Sprintf("segment %d offset %d", loc.Segment, loc.Offset))
	}
	defer s.open.RUnlock()
	b := make([]byte, headerSize+int(loc.Length))
	if n, err := s.file.ReadAt(b, int64(loc.Offset)); n < len(b) {
		return Record{}, fmt.Errorf("%w: %s offset %d: %w", ErrCorrupt, s.name, loc.Offset, err)
	}
	h, ok := decode(b[:headerSize], loc.Segment, loc.Offset)
	payload := b[headerSize:len(b):len(b)]
	if !ok || h.loc != loc || !h.holds(payload) {
		return Record{}, fmt.Errorf("%w: %s offset %d", ErrCorrupt, s.name, loc.Offset)
	}
	return h.record(payload), nil
}

// Describe returns the record of that digest without its payload, which is not read: the header has a checksum of its own.
func (l *Log) Describe(digest remora.Hash) (Record, error) {
	loc, ok := l.locate(digest)
	if !ok {
		return Record{}, l.missing("digest " + digest.String())
	}
	s, size := l.acquire(loc.Segment)
	if s == nil {
		return Record{}, l.missing(fmt.Sprintf("segment %d", loc.Segment))
	}
	defer s.open.RUnlock()
	var b [headerSize]byte
	if loc.end() <= size {
		if _, err := s.file.ReadAt(b[:], int64(loc.Offset)); err == nil {
			if h, ok := decode(b[:], loc.Segment, loc.Offset); ok && h.loc == loc && h.digest == digest {
				return h.record(nil), nil
			}
		}
	}
	l.drop(digest, loc)
	return Record{}, fmt.Errorf("%w: %s offset %d", ErrCorrupt, s.name, loc.Offset)
}

// acquire returns an open segment and the size of its records, or nil. The caller releases s.open.
func (l *Log) acquire(number uint32) (*segment, int64) {
	l.mu.RLock()
	s := l.segments[number]
	if s == nil {
		l.mu.RUnlock()
		return nil, 0
	}
	size := s.size
	l.mu.RUnlock()
	s.open.RLock()
	if s.retired {
		s.open.RUnlock()
		return nil, 0
	}
	return s, size
}

// Scan calls visit with every intact record from the given place on, in the order of appending, and returns the damage
// it passed. The zero Location means the beginning. A record's Payload is valid only during the call; visit must not call
// Remove or Close. Records appended meanwhile may or may not be seen.
func (l *Log) Scan(from Location, visit func(Location, Record) error) ([]Damage, error) {
	return l.scanAll(from, true, visit)
}

// Headers is Scan from a segment on without the payloads, which are neither read nor checked.
func (l *Log) Headers(segment uint32, visit func(Location, Record) error) error {
	_, err := l.scanAll(Location{Segment: segment}, false, visit)
	return err
}

func (l *Log) scanAll(from Location, payloads bool, visit func(Location, Record) error) ([]Damage, error) {
	var damage []Damage
	for _, number := range l.Segments() {
		if number < from.Segment {
			continue
		}
		start := int64(0)
		if number == from.Segment {
			start = int64(from.Offset)
		}
		found, err := l.scan(number, start, payloads, visit)
		damage = append(damage, found...)
		if err != nil {
			return damage, err
		}
	}
	return damage, nil
}

func (l *Log) scan(number uint32, start int64, payloads bool, visit func(Location, Record) error) ([]Damage, error) {
	s, size := l.acquire(number)
	if s == nil {
		return nil, nil // removed since
	}
	defer s.open.RUnlock()
	sc := l.scanner(s, size, payloads)
	sc.off = start
	var damage []Damage
	for {
		it, err := sc.next()
		switch {
		case errors.Is(err, io.EOF):
			return damage, nil
		case err != nil:
			return damage, fmt.Errorf("segment: scan: %w", err)
		case it.damage != nil:
			damage = append(damage, *it.damage)
		default:
			if err := visit(it.header.loc, it.header.record(it.payload)); err != nil {
				return damage, err
			}
		}
	}
}

// Verify checks every byte of the log, forgets the records that are damaged and returns what it found.
func (l *Log) Verify() ([]Damage, error) {
	damage, err := l.Scan(Location{}, func(Location, Record) error { return nil })
	bySegment := make(map[uint32][]Damage)
	for _, d := range damage {
		bySegment[d.Segment] = append(bySegment[d.Segment], d)
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	for digest, loc := range l.index {
		for _, d := range bySegment[loc.Segment] {
			if int64(loc.Offset) < d.Offset+d.Length && d.Offset < loc.end() {
				delete(l.index, digest)
			}
		}
	}
	return damage, err
}
