package segment

import (
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/vfs"

	"github.com/remora-network/remora"
)

// Open opens the log in dir, creating the directory, and rebuilds its index. It reads the headers of sealed segments
// and the whole last one, cuts off a torn tail there, and returns the damage it met; damaged payloads in sealed
// segments are found by Get. It fails only when the disk cannot be read or written.
func Open(fs vfs.FS, dir string, opts Options) (*Log, []Damage, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, nil, err
	}
	l := &Log{
		fs: fs, dir: dir, opts: opts,
		index:    make(map[remora.Hash]Location),
		segments: make(map[uint32]*segment),
	}
	damage, err := l.loadSegments()
	if err != nil {
		for _, s := range l.segments {
			err = errors.Join(err, s.file.Close())
		}
		return nil, nil, fmt.Errorf("segment: open %s: %w", dir, err)
	}
	return l, damage, nil
}

func (l *Log) loadSegments() ([]Damage, error) {
	if err := l.fs.MkdirAll(l.dir, 0o700); err != nil {
		return nil, err
	}
	numbers, err := l.listSegments()
	if err != nil {
		return nil, err
	}
	var damage []Damage
	for i, number := range numbers {
		found, err := l.loadSegment(number, i == len(numbers)-1)
		if err != nil {
			return nil, err
		}
		damage = append(damage, found...)
	}
	// The entries that the previous process created may not be durable yet, nor the directory itself.
	return damage, errors.Join(syncDir(l.fs, l.dir), syncDir(l.fs, l.fs.PathDir(l.dir)))
}

// listSegments returns the numbers of the segments in ascending order, and removes what an interrupted Open left.
func (l *Log) listSegments() ([]uint32, error) {
	names, err := l.fs.List(l.dir)
	if err != nil {
		return nil, err
	}
	var numbers []uint32
	for _, name := range names {
		if strings.HasSuffix(name, suffix+tempSuffix) {
			if err := l.fs.Remove(l.fs.PathJoin(l.dir, name)); err != nil {
				return nil, err
			}
		}
		if number, ok := parseNumber(name); ok {
			numbers = append(numbers, number)
		}
	}
	slices.Sort(numbers)
	return numbers, nil
}

func (l *Log) loadSegment(number uint32, last bool) ([]Damage, error) {
	s, err := l.openSegment(number, last)
	if err != nil {
		return nil, err
	}
	l.segments[number], l.last = s, number
	sc := l.newScanner(s, s.size, last)
	var damage []Damage
	intact := 0     // damages with a record behind them
	end := int64(0) // end offset of the last record
	for {
		it, err := sc.nextItem()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		if it.damage != nil {
			damage = append(damage, *it.damage)
			continue
		}
		l.index[it.header.digest] = it.header.loc
		intact, end = len(damage), it.header.loc.endOffset()
	}
	if !last {
		return damage, nil
	}
	for i := intact; i < len(damage); i++ {
		damage[i].Torn = true
	}
	if err := l.resumeSegment(s, end); err != nil {
		return nil, err
	}
	return damage, nil
}

func (l *Log) openSegment(number uint32, write bool) (*segment, error) {
	s := &segment{number: number, name: l.segmentPath(number)}
	var err error
	if write {
		s.file, err = l.fs.OpenReadWrite(s.name)
	} else {
		s.file, err = l.fs.Open(s.name, vfs.RandomReadsOption)
	}
	if err != nil {
		return nil, err
	}
	st, err := s.file.Stat()
	if err != nil {
		return nil, errors.Join(err, s.file.Close())
	}
	s.size = min(st.Size(), math.MaxUint32) // the log writes no longer files
	return s, nil
}

// resumeSegment makes the last segment, whose records end at end, active.
func (l *Log) resumeSegment(s *segment, end int64) error {
	if end < s.size {
		if err := l.truncateSegment(s, end); err != nil {
			return fmt.Errorf("cut torn tail off %s: %w", s.name, err)
		}
	}
	if err := s.file.SyncData(); err != nil {
		return fmt.Errorf("sync %s: %w", s.name, err)
	}
	l.active = s
	return nil
}

// truncateSegment replaces the segment by a copy of its first end bytes, since vfs cannot truncate. A crash leaves the
// old or the new file.
func (l *Log) truncateSegment(s *segment, end int64) error {
	tmp := s.name + tempSuffix
	file, err := l.fs.Create(tmp)
	if err != nil {
		return err
	}
	_, err = io.Copy(file, io.NewSectionReader(s.file, 0, end))
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	if err := l.fs.Rename(tmp, s.name); err != nil {
		return err
	}
	if err := syncDir(l.fs, l.dir); err != nil {
		return err
	}
	old := s.file
	if s.file, err = l.fs.OpenReadWrite(s.name); err != nil {
		s.file = old
		return err
	}
	s.size = end
	return old.Close()
}

func (l *Log) newScanner(s *segment, size int64, payloads bool) *scanner {
	return &scanner{
		file: s.file, name: s.name, segment: s.number, size: size,
		payloads: payloads, genuine: l.opts.Genuine,
	}
}

// Segments returns the numbers of the segments in ascending order.
func (l *Log) Segments() []uint32 {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return slices.Sorted(maps.Keys(l.segments))
}
