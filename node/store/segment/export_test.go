package segment

// Len returns the number of records in the index.
func (l *Log) Len() int {
	l.mu.RLock()
	defer l.mu.RUnlock()
	return len(l.index)
}

// Read returns the payload at a place that Append or Scan returned; the caller owns it. It returns ErrNotFound if the
// segment was removed or is shorter, ErrCorrupt if the bytes are not those appended.
func (l *Log) Read(loc Location) ([]byte, error) {
	r, err := l.readRecord(loc)
	return r.Payload, err
}

// ReadRecord is Read with the fields of the header.
func (l *Log) ReadRecord(loc Location) (Record, error) { return l.readRecord(loc) }

// Scan calls visit with every intact record from the given place on, in the order of appending, and returns the damage
// that it passed. The zero Location is the beginning. A record's Payload is valid only during the call; visit must not
// call Remove or Close. Records appended during the scan may or may not be visited.
func (l *Log) Scan(from Location, visit func(Location, Record) error) ([]Damage, error) {
	return l.scanSegments(from, true, visit)
}

// Verify reads every byte of the log, removes damaged records from the index and returns the damage.
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
			if int64(loc.Offset) < d.Offset+d.Length && d.Offset < loc.endOffset() {
				delete(l.index, digest)
			}
		}
	}
	return damage, err
}
