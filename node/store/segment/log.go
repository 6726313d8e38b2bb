package segment

import (
	"errors"
	"fmt"
	"math"
	"sync"

	"github.com/cockroachdb/pebble/vfs"

	"github.com/remora-network/remora"
)

// Options configure a Log. The zero value is usable.
type Options struct {
	MaxSegment int64 // size in bytes at which a new segment begins, below 4 GiB; 0: 64 MiB
	MaxRecord  int64 // largest payload in bytes; 0: 1 MiB
	// Genuine reports whether the digest is the payload's. It is called for records found behind an unreadable header,
	// where the search may run through a payload that a peer chose. If nil, only the checksums are verified.
	Genuine func(digest remora.Hash, payload []byte) bool
}

func (o Options) withDefaults() (Options, error) {
	if o.MaxSegment == 0 {
		o.MaxSegment = 64 << 20
	}
	if o.MaxRecord == 0 {
		o.MaxRecord = 1 << 20
	}
	if o.MaxRecord < 0 || o.MaxSegment < 0 || o.MaxSegment+o.MaxRecord+headerSize > math.MaxUint32 {
		return o, fmt.Errorf("segment: MaxSegment %d and MaxRecord %d must be positive and together below 4 GiB", o.MaxSegment, o.MaxRecord)
	}
	return o, nil
}

// Log is an append-only record store, safe for one writer and many readers. Calls of Append, Sync, Remove and Close
// exclude each other; readers do not wait for their disk operations.
type Log struct {
	fs   vfs.FS
	dir  string
	opts Options

	writer sync.Mutex // guards failed, buf and the order of disk writes
	failed error      // sticky
	buf    []byte

	mu       sync.RWMutex // guards the fields below; locked after writer
	index    map[remora.Hash]Location
	segments map[uint32]*segment
	active   *segment // nil until the first Append
	last     uint32   // highest segment number in use
}

// Append stores the record behind all others and returns its place. The record is durable after the next Sync that
// returns nil. If the digest is stored already, Append returns its place and writes nothing. It keeps no reference to
// the payload.
func (l *Log) Append(r Record) (Location, error) {
	l.writer.Lock()
	defer l.writer.Unlock()
	if l.failed != nil {
		return Location{}, l.failed
	}
	if int64(len(r.Payload)) > l.opts.MaxRecord {
		return Location{}, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(r.Payload), l.opts.MaxRecord)
	}
	if loc, ok := l.findLocation(r.Digest); ok {
		return loc, nil
	}
	return l.appendRecord(r)
}

// appendRecord writes a record behind all others. Callers hold writer.
func (l *Log) appendRecord(r Record) (Location, error) {
	s, err := l.segmentWithRoom(headerSize + int64(len(r.Payload)))
	if err != nil {
		return Location{}, l.stopAppending(err)
	}
	loc := Location{Segment: s.number, Offset: uint32(s.size), Length: uint32(len(r.Payload))}
	l.buf = encodeRecord(l.buf[:0], r, loc)
	// WriteAt, because the write position of a file that was opened again is its start.
	if _, err := s.file.WriteAt(l.buf, s.size); err != nil {
		return Location{}, l.stopAppending(fmt.Errorf("append to %s: %w", s.name, err))
	}
	s.dirty = true
	l.mu.Lock()
	defer l.mu.Unlock()
	s.size = loc.endOffset()
	l.index[r.Digest] = loc
	return loc, nil
}

// Sync makes every record appended before durable.
func (l *Log) Sync() error {
	l.writer.Lock()
	defer l.writer.Unlock()
	if l.failed != nil {
		return l.failed
	}
	if err := l.syncActive(); err != nil {
		return l.stopAppending(err)
	}
	return nil
}

// syncActive syncs the active segment. Callers hold writer.
func (l *Log) syncActive() error {
	if l.active == nil || !l.active.dirty {
		return nil
	}
	if err := l.active.file.SyncData(); err != nil {
		return fmt.Errorf("sync %s: %w", l.active.name, err)
	}
	l.active.dirty = false
	return nil
}

// stopAppending makes err the answer to all later appends. Callers hold writer.
func (l *Log) stopAppending(err error) error {
	l.failed = fmt.Errorf("%w: %w", ErrFailed, err)
	return l.failed
}

// segmentWithRoom returns the active segment, or a new one if n more bytes do not fit. Callers hold writer.
func (l *Log) segmentWithRoom(n int64) (*segment, error) {
	if l.active != nil && (l.active.size == 0 || l.active.size+n <= l.opts.MaxSegment) {
		return l.active, nil
	}
	if err := l.syncActive(); err != nil {
		return nil, err
	}
	if l.last == math.MaxUint32 {
		return nil, fmt.Errorf("segment numbers of %s are used up", l.dir)
	}
	s := &segment{number: l.last + 1}
	s.name = l.segmentPath(s.number)
	file, err := l.fs.OpenReadWrite(s.name) // the only handle on which vfs allows WriteAt
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", s.name, err)
	}
	s.file = file
	if err := syncDir(l.fs, l.dir); err != nil {
		return nil, fmt.Errorf("%w (and close: %v)", err, file.Close())
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.segments[s.number] = s
	l.active, l.last = s, s.number
	return s, nil
}

// Remove deletes a segment, unless it is the active one or not there. Records that keep wants are appended again before, and
// are durable when the file goes: a crash leaves them twice, and never not at all.
func (l *Log) Remove(number uint32, keep func(Record) bool) error {
	var kept []Location
	var digests []remora.Hash
	if l.isSealed(number) {
		_, err := l.scanSegment(number, 0, false, func(loc Location, r Record) error {
			if digests = append(digests, r.Digest); keep(r) {
				kept = append(kept, loc)
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	for _, loc := range kept {
		if err := l.moveRecord(loc); err != nil {
			return err
		}
	}
	return l.removeSegment(number, digests)
}

// isSealed reports whether a segment is here and gets no more records.
func (l *Log) isSealed(number uint32) bool {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return l.segments[number] != nil && number < l.last
}

// moveRecord appends a record again, unless it is damaged, or indexed elsewhere.
func (l *Log) moveRecord(loc Location) error {
	r, err := l.readRecord(loc)
	if errors.Is(err, ErrCorrupt) {
		return nil // Get forgets it as well
	}
	if err != nil {
		return err
	}
	l.writer.Lock()
	defer l.writer.Unlock()
	if l.failed != nil {
		return l.failed
	}
	if at, ok := l.findLocation(r.Digest); !ok || at != loc {
		return nil
	}
	_, err = l.appendRecord(r)
	return err
}

// removeSegment deletes a sealed segment, which holds these records, when everything appended before is durable.
func (l *Log) removeSegment(number uint32, digests []remora.Hash) error {
	l.writer.Lock()
	defer l.writer.Unlock()
	if l.failed != nil {
		return l.failed
	}
	if !l.isSealed(number) {
		return nil
	}
	if err := l.syncActive(); err != nil {
		return l.stopAppending(err)
	}
	s := l.forgetSegment(number, digests)
	if err := s.retireFile(); err != nil {
		return l.stopAppending(fmt.Errorf("close %s: %w", s.name, err))
	}
	if err := l.fs.Remove(s.name); err != nil {
		return l.stopAppending(fmt.Errorf("remove %s: %w", s.name, err))
	}
	if err := syncDir(l.fs, l.dir); err != nil {
		return l.stopAppending(err)
	}
	return nil
}

// forgetSegment removes a segment and the places of these records in it from the index.
func (l *Log) forgetSegment(number uint32, digests []remora.Hash) *segment {
	l.mu.Lock()
	defer l.mu.Unlock()
	for _, digest := range digests {
		if l.index[digest].Segment == number {
			delete(l.index, digest)
		}
	}
	s := l.segments[number]
	delete(l.segments, number)
	return s
}

// Close syncs and closes the log. Later calls return ErrClosed.
func (l *Log) Close() error {
	l.writer.Lock()
	defer l.writer.Unlock()
	if errors.Is(l.failed, ErrClosed) {
		return ErrClosed
	}
	err := l.failed
	if err == nil {
		err = l.syncActive()
	}
	l.failed = ErrClosed
	l.mu.Lock()
	segments := l.segments
	l.segments, l.index, l.active = nil, nil, nil
	l.mu.Unlock()
	for _, s := range segments {
		if cerr := s.retireFile(); err == nil {
			err = cerr
		}
	}
	return err
}
