package store

import (
	"errors"
	"fmt"

	db "github.com/cometbft/cometbft-db"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/store/segment"
)

// Pruning says what a state knows of batches that may still execute.
type Pruning struct {
	Self    remora.Authority
	Epoch   remora.Epoch      // of the state's newest block: no later one accepts batches of two epochs before, or older
	Waiting []remora.BatchRef // accepted and not executed in that state, or a later one
}

// PruneBatches examines the oldest segment that it has not examined yet, once all of its batches are too old to be accepted.
// If more than half of it is batches that no block has executed or will execute, it removes these: the others move to the end
// of the log. So rubbish takes at most as much disk as what executed, and what is younger than two epochs.
//
// freed is the size of what went; more says that another call may find more. An own batch that is still owed to clients
// holds everything up until it is sealed again. PruneBatches may run beside everything else, once at a time.
func (s *Store) PruneBatches(p Pruning) (freed int64, more bool, err error) {
	last, _, err := s.readNumber(metaKey(metaPruned))
	if err != nil {
		return 0, false, err
	}
	number, ok := s.nextSealed(uint32(last))
	if !ok {
		return 0, false, nil
	}
	e := examination{store: s, pruning: p, alive: make(map[remora.Hash]bool)}
	for i := range p.Waiting {
		e.alive[p.Waiting[i].Digest] = true
	}
	err = s.batches.SegmentHeaders(number, e.judgeRecord)
	if errors.Is(err, errTooYoung) {
		return 0, false, nil
	}
	if err != nil {
		return 0, false, fmt.Errorf("examine segment %d: %w", number, err)
	}
	if e.rubbish > e.kept {
		if err := s.batches.Remove(number, func(r segment.Record) bool { return e.alive[r.Digest] }); err != nil {
			return 0, false, fmt.Errorf("prune segment %d: %w", number, err)
		}
		freed = e.rubbish
	}
	// Without a sync: an older value only costs time.
	return freed, true, s.putRow(metaKey(metaPruned), encodeUint64(uint64(number)), db.Batch.Write)
}

// nextSealed returns the lowest segment above a number, if it is not the last one.
func (s *Store) nextSealed(above uint32) (uint32, bool) {
	all := s.batches.Segments()
	for _, number := range all[:max(len(all), 1)-1] {
		if number > above {
			return number, true
		}
	}
	return 0, false
}

// errTooYoung says that a segment has batches that may still be accepted, or that are owed.
var errTooYoung = errors.New("the segment has batches that may still execute")

// recordOverhead is what a record takes beside its payload, in bytes.
const recordOverhead = 80

// examination tells the batches of a segment that may be needed from rubbish.
type examination struct {
	store         *Store
	pruning       Pruning
	alive         map[remora.Hash]bool // waiting or executed
	owed          map[remora.Hash]bool // own ones, nil until needed
	kept, rubbish int64                // bytes
}

// judgeRecord enters one record, or returns errTooYoung. What is of an epoch far ahead of this node's blocks stays: it would
// be for a faulty author to hold the others' up.
func (e *examination) judgeRecord(_ segment.Location, r segment.Record) error {
	epoch, now := remora.Epoch(r.Epoch), e.pruning.Epoch
	if epoch+1 >= now && epoch <= now+1 {
		return errTooYoung
	}
	_, executed, err := e.store.BatchHeight(r.Digest)
	if err != nil {
		return err
	}
	if executed || epoch > now || e.alive[r.Digest] {
		e.alive[r.Digest] = true
		e.kept += recordOverhead + int64(r.Size)
		return nil
	}
	if remora.Authority(r.Author) == e.pruning.Self {
		owed, err := e.isOwed(r.Digest)
		if err != nil {
			return err
		}
		if owed {
			return errTooYoung
		}
	}
	e.rubbish += recordOverhead + int64(r.Size)
	return nil
}

// isOwed reports whether an own batch still has to get executed: it is not one that was sealed again.
func (e *examination) isOwed(digest remora.Hash) (bool, error) {
	if e.owed == nil {
		batches, _, err := e.store.Unexecuted(e.pruning.Self)
		if err != nil {
			return false, err
		}
		e.owed = make(map[remora.Hash]bool, len(batches))
		for i := range batches {
			e.owed[batches[i].Digest] = true
		}
	}
	return e.owed[digest], nil
}
