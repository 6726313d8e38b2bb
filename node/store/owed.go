package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	db "github.com/cometbft/cometbft-db"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/store/segment"
)

// owedBatch is a batch that no block has executed, with the segment that holds it.
type owedBatch struct {
	batch   remora.Batch
	segment uint32
}

// Unexecuted returns an author's stored batches that no block has executed, in order of their numbers: of a validator's
// own batches, those that it acknowledged to clients and still has to get executed. A batch that was sealed again in a
// later epoch keeps its number: of several with one number the newest counts, and none if any was executed.
//
// next is the number after the highest of the author's batches that it reads, 0 if there is none: the newest segment is always
// read.
//
// It reads only the headers of batches, and only from the first segment that held an unexecuted batch the last time,
// since executed batches stay executed.
func (s *Store) Unexecuted(author remora.Authority) (batches []remora.Batch, next uint64, err error) {
	from, err := s.firstOwedSegment(author)
	if err != nil {
		return nil, 0, err
	}
	open := map[uint64]owedBatch{}
	err = s.batches.Headers(from, func(loc segment.Location, r segment.Record) error {
		if r.Author != uint16(author) {
			return nil
		}
		next = max(next, r.Seq+1)
		return s.countOwnBatch(open, loc, r)
	})
	if err != nil {
		return nil, 0, err
	}
	low := from
	if all := s.batches.Segments(); len(all) > 0 {
		low = all[len(all)-1]
	}
	batches = make([]remora.Batch, 0, len(open))
	for _, number := range slices.Sorted(maps.Keys(open)) {
		batches, low = append(batches, open[number].batch), min(low, open[number].segment)
	}
	return batches, next, s.putFirstOwedSegment(author, low)
}

// countOwnBatch enters a record: as an open batch, or as the execution of an open one.
func (s *Store) countOwnBatch(open map[uint64]owedBatch, loc segment.Location, r segment.Record) error {
	_, done, err := s.BatchHeight(r.Digest)
	if err != nil || done && !mayRenew(open, remora.Epoch(r.Epoch)) {
		return err
	}
	raw, err := s.Batch(r.Digest)
	if errors.Is(err, remora.ErrNotFound) || errors.Is(err, remora.ErrCorrupt) {
		return nil // damaged here; the peers that acknowledged it have the bytes
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
		open[b.Seq] = owedBatch{batch: b, segment: loc.Segment}
	}
	return nil
}

// mayRenew reports whether a batch of this epoch may be an open one sealed again.
func mayRenew(open map[uint64]owedBatch, epoch remora.Epoch) bool {
	for _, o := range open {
		if o.batch.Epoch < epoch {
			return true
		}
	}
	return false
}

func firstOwedKey(author remora.Authority) []byte {
	return binary.BigEndian.AppendUint16(metaKey(metaOwed), uint16(author))
}

// firstOwedSegment returns the first segment that may hold an unexecuted batch of an author.
func (s *Store) firstOwedSegment(author remora.Authority) (uint32, error) {
	segment, _, err := s.readNumber(firstOwedKey(author))
	return uint32(segment), err
}

// putFirstOwedSegment raises firstOwedSegment, without a sync: an older value only costs time.
func (s *Store) putFirstOwedSegment(author remora.Authority, segment uint32) error {
	return s.putRow(firstOwedKey(author), encodeUint64(uint64(segment)), db.Batch.Write)
}
