package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/store/segment"
)

// owed is a batch that no block has executed, and the segment that holds it.
type owed struct {
	batch   remora.Batch
	segment uint32
}

// Unexecuted returns the stored batches of an author that no block has executed, by their numbers. A validator's own
// ones are what it acknowledged to clients and still owes. A batch that was sealed anew in a later epoch has the number
// of the first: the newest counts, and none when any was executed.
//
// It reads the headers of batches only, and none of segments before the first one that held an unexecuted batch the last
// time: what is executed stays so.
func (s *Store) Unexecuted(author remora.Authority) ([]remora.Batch, error) {
	from, err := s.owedFrom(author)
	if err != nil {
		return nil, err
	}
	open := map[uint64]owed{}
	err = s.batches.Headers(from, func(loc segment.Location, r segment.Record) error {
		if r.Author != uint16(author) {
			return nil
		}
		return s.account(open, loc, r)
	})
	if err != nil {
		return nil, err
	}
	low := from
	if all := s.batches.Segments(); len(all) > 0 {
		low = all[len(all)-1]
	}
	list := make([]remora.Batch, 0, len(open))
	for _, number := range slices.Sorted(maps.Keys(open)) {
		list, low = append(list, open[number].batch), min(low, open[number].segment)
	}
	return list, s.putOwedFrom(author, low)
}

// account enters an own record: as open, or as the execution of an open one.
func (s *Store) account(open map[uint64]owed, loc segment.Location, r segment.Record) error {
	_, done, err := s.BatchHeight(r.Digest)
	if err != nil || done && !renews(open, remora.Epoch(r.Epoch)) {
		return err
	}
	raw, err := s.Batch(r.Digest)
	if errors.Is(err, remora.ErrNotFound) || errors.Is(err, remora.ErrCorrupt) {
		return nil // damaged: peers that acknowledged it have it
	}
	if err != nil {
		return err
	}
	b, err := remora.ParseBatch(raw)
	if err != nil {
		return fmt.Errorf("batch %s: %w: %v", r.Digest, remora.ErrCorrupt, err)
	}
	if done {
		delete(open, b.Seq)
	} else {
		open[b.Seq] = owed{batch: b, segment: loc.Segment}
	}
	return nil
}

// renews reports whether a batch of an epoch may be one of the open ones, sealed anew.
func renews(open map[uint64]owed, epoch remora.Epoch) bool {
	for _, o := range open {
		if o.batch.Epoch < epoch {
			return true
		}
	}
	return false
}

func owedKey(author remora.Authority) []byte {
	return binary.BigEndian.AppendUint16(metaKey(metaOwed), uint16(author))
}

// owedFrom returns the first segment that may hold an unexecuted batch of an author.
func (s *Store) owedFrom(author remora.Authority) (uint32, error) {
	v, err := s.get(owedKey(author))
	if err != nil || len(v) != 8 {
		return 0, err
	}
	return uint32(binary.BigEndian.Uint64(v)), nil
}

// putOwedFrom needs no sync: an older value only costs time.
func (s *Store) putOwedFrom(author remora.Authority, segment uint32) error {
	batch := s.db.NewBatch()
	defer batch.Close()
	if err := batch.Set(owedKey(author), u64(uint64(segment))); err != nil {
		return err
	}
	return batch.Write()
}
