package delivery

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"slices"
	"sync"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/app/session"
	"github.com/remora-network/remora/app/store"
)

// Journal is an ordered key-value store.
type Journal interface {
	// Write removes every key that begins with one of drops, then sets puts, all or nothing. It is durable on return.
	Write(puts map[string][]byte, drops [][]byte) error
	// Get returns a value, nil where there is none.
	Get(key []byte) ([]byte, error)
	// Ascend visits the keys with a prefix in order until visit returns false.
	Ascend(prefix []byte, visit func(key, value []byte) bool) error
}

// journal is the Journal with an overview of its rows. It implements session.Storage. After a failed write it is unknown
// what is durable, and every later write fails too.
type journal struct {
	rows  Journal
	store *store.Store

	mu     sync.Mutex            // guards epochs and roots
	epochs map[remora.Epoch]bool // that have rows
	// roots is the content that the receipts name, with the newest epoch that does. Receipts name only content that the
	// store held, so there are at most as many roots as the store has had objects in a few epochs.
	roots map[remora.Hash]remora.Epoch

	// closing is read-locked while a receipt is judged and written, and locked to close an epoch: a plan made after that
	// sees all receipts that its epoch will ever have.
	closing sync.RWMutex
	open    remora.Epoch // the first epoch that takes receipts

	works   context.Context // ends when a write fails, with that as its cause
	stop    context.CancelCauseFunc
	failing sync.Once
	logger  *slog.Logger
}

func newJournal(c Config) *journal {
	j := &journal{
		rows: c.Journal, store: c.Store, logger: c.Logger,
		epochs: map[remora.Epoch]bool{}, roots: map[remora.Hash]remora.Epoch{},
	}
	j.works, j.stop = context.WithCancelCause(context.Background())
	return j
}

// loadRows reads the open epoch and the overview of the rows, and returns the epochs that have a plan.
func (j *journal) loadRows() (map[remora.Epoch]*job, error) {
	value, err := j.rows.Get([]byte{rowOpen})
	if err != nil {
		return nil, err
	}
	if value != nil {
		if j.open, err = decodeOpen(value); err != nil {
			return nil, err
		}
	}
	jobs := map[remora.Epoch]*job{}
	for _, kind := range []byte{rowReceipt, rowExtent, rowPlan} {
		if err := j.visitRows([]byte{kind}, func(key, value []byte) error {
			number, err := keyNumber(key)
			if err != nil {
				return err
			}
			e, named := remora.Epoch(number), []remora.Extent(nil)
			switch kind {
			case rowPlan:
				var p plan
				p, err = decodeRow[plan](value, maxPlanRow)
				jobs[e] = &job{plan: &p}
			case rowExtent:
				named = make([]remora.Extent, 1)
				named[0], err = decodeRow[remora.Extent](value, maxExtentRow)
			}
			j.noteExtents(e, named)
			return err
		}); err != nil {
			return nil, err
		}
	}
	return jobs, nil
}

// visitRows calls visit with all rows under a prefix until it fails.
func (j *journal) visitRows(prefix []byte, visit func(key, value []byte) error) error {
	var failed error
	err := j.rows.Ascend(prefix, func(key, value []byte) bool {
		failed = visit(key, value)
		return failed == nil
	})
	return errors.Join(err, failed)
}

// getRow returns the row of a key, the zero one where there is none.
func getRow[T any](j *journal, key []byte, limit int) (row T, err error) {
	value, err := j.rows.Get(key)
	if value == nil || err != nil {
		return row, err
	}
	return decodeRow[T](value, limit)
}

// Receipt implements session.Storage.
func (j *journal) Receipt(id remora.SessionID, e remora.Epoch) (remora.SignedReceipt, error) {
	return getRow[remora.SignedReceipt](j, sessionKey(rowReceipt, e, id), maxReceiptRow)
}

// Extents implements session.Storage.
func (j *journal) Extents(id remora.SessionID, e remora.Epoch) (list []remora.Extent, err error) {
	err = j.visitRows(sessionKey(rowExtent, e, id), func(_, value []byte) error {
		x, err := decodeRow[remora.Extent](value, maxExtentRow)
		list = append(list, x)
		return err
	})
	return list, err
}

// Keep implements session.Storage.
func (j *journal) Keep(ack *session.Acknowledgement, t *session.Totals) error {
	r := &ack.Receipt.Receipt
	puts := map[string][]byte{
		string(sessionKey(rowReceipt, r.Epoch, r.Session)): remora.Encode(ack.Receipt),
		string(accountKey(r.Session)):                      remora.Encode(t),
	}
	for i := range ack.Extents {
		puts[string(extentKey(r.Epoch, r.Session, ack.Kept+uint32(i)))] = remora.Encode(ack.Extents[i])
	}
	j.noteExtents(r.Epoch, ack.Extents)
	return j.writeRows(puts, nil)
}

// Holds implements session.Storage.
func (j *journal) Holds(c remora.Content) bool {
	length, held := j.store.Length(c.Root)
	return held && length == c.Length
}

// noteExtents notes an epoch and the content of extents, before they are in the journal.
func (j *journal) noteExtents(e remora.Epoch, extents []remora.Extent) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.epochs[e] = true
	for i := range extents {
		root := extents[i].Content.Root
		j.roots[root] = max(j.roots[root], e)
	}
}

// endEpoch forgets an epoch that has no rows any more, and every root whose newest epoch is older than all that remain. A
// root may be kept too long, but never too short.
func (j *journal) endEpoch(e remora.Epoch) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.epochs, e)
	maps.DeleteFunc(j.roots, func(_ remora.Hash, newest remora.Epoch) bool {
		for left := range j.epochs {
			if left <= newest {
				return false
			}
		}
		return true
	})
}

func (j *journal) needsRoot(root remora.Hash) bool {
	j.mu.Lock()
	defer j.mu.Unlock()
	_, found := j.roots[root]
	return found
}

// listEpochs returns the epochs in order.
func (j *journal) listEpochs() []remora.Epoch {
	j.mu.Lock()
	defer j.mu.Unlock()
	return slices.Sorted(maps.Keys(j.epochs))
}

// writeRows writes to the journal. Every write goes through it.
func (j *journal) writeRows(puts map[string][]byte, drops [][]byte) error {
	if err := j.stopCause(); err != nil {
		return err
	}
	if err := j.rows.Write(puts, drops); err != nil {
		return j.failWith(err)
	}
	return nil
}

// failWith stops the service for a cause, and returns the error of every later write.
func (j *journal) failWith(cause error) error {
	j.failing.Do(func() {
		j.stop(errors.Join(ErrStopped, cause))
		j.logger.Error("deliveries have stopped", slog.Any("reason", cause))
	})
	return j.stopCause()
}

// stopCause returns the error that stopped the service, nil while it runs.
func (j *journal) stopCause() error { return context.Cause(j.works) }
