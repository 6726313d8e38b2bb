// Package segment stores batches of transactions, and other content-addressed records of up to a megabyte, in
// append-only files.
//
// A Log is a directory of files NNNNNNNN.seg. Records are appended to the last one; a full file is synced before the next
// one is created, so only the last can lose anything to a crash. Sync makes everything appended before durable: a
// writer appends what has queued up, syncs once, and acknowledges all of it. Has and Get see a record as soon as it is
// appended; they say nothing about durability.
//
// Disk failures. A failed write or sync stops the Log for good with ErrFailed, because the kernel may have dropped the
// pages: reading goes on, appending needs a restart. Open cuts off a torn tail and syncs what remains before it counts as
// stored, since a killed process may have left it in the page cache only. Damage elsewhere is reported and skipped; the
// caller fetches those records again and appends them.
//
// Memory. The index costs 44 bytes per record plus the free room of a Go map, 50 to 100 bytes in all; one file stays open
// per segment. Remove bounds both.
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
	MaxSegment int64 // size in bytes at which a new segment begins: 64 MiB when zero, less than 4 GiB
	MaxRecord  int64 // largest payload in bytes: 1 MiB when zero
	// Genuine reports whether the digest names the payload. It is asked about records found behind an unreadable header,
	// where bytes of a payload, which a peer may have chosen, are searched for records. Without it checksums decide.
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
// exclude each other; readers wait for none of their disk operations.
type Log struct {
	fs   vfs.FS
	dir  string
	opts Options

	writer sync.Mutex // guards failed, buf and the order of disk writes
	failed error      // sticky
	buf    []byte

	mu       sync.RWMutex // guards what follows; a writer holds writer first
	index    map[remora.Hash]Location
	segments map[uint32]*segment
	active   *segment // nil until the first Append
	last     uint32   // highest segment number in use
}

// Append stores the record behind all others and returns its place. It is durable once a later Sync returned nil. A
// digest that is already stored is not stored again. Append keeps no reference to the payload.
func (l *Log) Append(r Record) (Location, error) {
	l.writer.Lock()
	defer l.writer.Unlock()
	if l.failed != nil {
		return Location{}, l.failed
	}
	if int64(len(r.Payload)) > l.opts.MaxRecord {
		return Location{}, fmt.Errorf("%w: %d bytes, at most %d", ErrTooLarge, len(r.Payload), l.opts.MaxRecord)
	}
	if loc, ok := l.locate(r.Digest); ok {
		return loc, nil
	}
	s, err := l.room(headerSize + int64(len(r.Payload)))
	if err != nil {
		return Location{}, l.fail(err)
	}
	loc := Location{Segment: s.number, Offset: uint32(s.size), Length: uint32(len(r.Payload))}
	l.buf = encode(l.buf[:0], r, loc)
	// WriteAt, because the write position of a segment continued after a restart is its start.
	if _, err := s.file.WriteAt(l.buf, s.size); err != nil {
		return Location{}, l.fail(fmt.Errorf("append to %s: %w", s.name, err))
	}
	s.dirty = true
	l.mu.Lock()
	defer l.mu.Unlock()
	s.size = loc.end()
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
	if err := l.flush(); err != nil {
		return l.fail(err)
	}
	return nil
}

// flush syncs the active segment. Callers hold writer.
func (l *Log) flush() error {
	if l.active == nil || !l.active.dirty {
		return nil
	}
	if err := l.active.file.SyncData(); err != nil {
		return fmt.Errorf("sync %s: %w", l.active.name, err)
	}
	l.active.dirty = false
	return nil
}

// fail stops the log. Callers hold writer.
func (l *Log) fail(err error) error {
	l.failed = fmt.Errorf("%w: %w", ErrFailed, err)
	return l.failed
}

// room returns the active segment, beginning a new one when n more bytes do not fit. Callers hold writer.
func (l *Log) room(n int64) (*segment, error) {
	if l.active != nil && (l.active.size == 0 || l.active.size+n <= l.opts.MaxSegment) {
		return l.active, nil
	}
	if err := l.flush(); err != nil {
		return nil, err
	}
	if l.last == math.MaxUint32 {
		return nil, fmt.Errorf("segment numbers of %s are used up", l.dir)
	}
	s := &segment{number: l.last + 1}
	s.name = l.path(s.number)
	file, err := l.fs.OpenReadWrite(s.name) // vfs allows WriteAt on no other handle
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

// Remove drops every segment with a number below before, except the one being written, and with it the records there.
func (l *Log) Remove(before uint32) error {
	l.writer.Lock()
	defer l.writer.Unlock()
	if l.failed != nil {
		return l.failed
	}
	old := l.forget(before)
	for _, s := range old {
		if err := s.retire(); err != nil {
			return l.fail(fmt.Errorf("close %s: %w", s.name, err))
		}
		if err := l.fs.Remove(s.name); err != nil {
			return l.fail(fmt.Errorf("remove %s: %w", s.name, err))
		}
	}
	if len(old) == 0 {
		return nil
	}
	if err := syncDir(l.fs, l.dir); err != nil {
		return l.fail(err)
	}
	return nil
}

// forget takes the segments below before out of the index.
func (l *Log) forget(before uint32) []*segment {
	l.mu.Lock()
	defer l.mu.Unlock()
	before = min(before, l.last)
	var old []*segment
	for number, s := range l.segments {
		if number < before {
			old = append(old, s)
			delete(l.segments, number)
		}
	}
	if len(old) == 0 {
		return nil
	}
	for digest, loc := range l.index {
		if loc.Segment < before {
			delete(l.index, digest)
		}
	}
	return old
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
		err = l.flush()
	}
	l.failed = ErrClosed
	l.mu.Lock()
	segments := l.segments
	l.segments, l.index, l.active = nil, nil, nil
	l.mu.Unlock()
	for _, s := range segments {
		if cerr := s.retire(); err == nil {
			err = cerr
		}
	}
	return err
}
