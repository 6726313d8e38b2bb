package store

import (
	"errors"
	"fmt"
	"slices"
	"sync/atomic"

	"github.com/cockroachdb/pebble"

	"github.com/remora-network/remora/state/table"
)

var noSync = pebble.NoSync

// reader is what the database and its snapshots have in common; an import rule keeps pebble's own types in here.
type reader struct{ pebble.Reader }

// Get implements table.View.
func (r reader) Get(t table.ID, key []byte) ([]byte, error) {
	v, closer, err := r.Reader.Get(stateKey(t, key))
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read state table %d: %w", t, classify(err))
	}
	value := slices.Clone(v)
	return value, closer.Close()
}

// Ascend implements table.View.
func (r reader) Ascend(t table.ID, prefix []byte, visit func(key, value []byte) bool) error {
	low := stateKey(t, prefix)
	return r.ascend(low, successor(low), func(k, v []byte) bool { return visit(k[2:], v) })
}

func (r reader) ascend(low, high []byte, visit func(k, v []byte) bool) error {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: low, UpperBound: high})
	if err != nil {
		return classify(err)
	}
	for ok := it.First(); ok; ok = it.Next() {
		v, err := it.ValueAndErr()
		if err != nil {
			return errors.Join(classify(err), it.Close())
		}
		if !visit(slices.Clone(it.Key()), slices.Clone(v)) {
			break
		}
	}
	return classify(it.Close())
}

// Tables returns the newest state. Whoever reads while blocks are committed reads from a Snapshot instead.
func (s *Store) Tables() table.View { return reader{s.db.DB()} }

// Snapshot is the state as it was when the snapshot was taken. It is counted: it starts with one holder, and the last
// Release frees it.
type Snapshot struct {
	reader
	snap    *pebble.Snapshot
	holders atomic.Int64
}

// Snapshot pins the newest state for reading.
func (s *Store) Snapshot() *Snapshot {
	snap := s.db.DB().NewSnapshot()
	p := &Snapshot{reader: reader{snap}, snap: snap}
	p.holders.Store(1)
	return p
}

// Hold adds a holder and reports whether the snapshot was still alive.
func (p *Snapshot) Hold() bool {
	for {
		n := p.holders.Load()
		if n == 0 {
			return false
		}
		if p.holders.CompareAndSwap(n, n+1) {
			return true
		}
	}
}

// Release drops a holder. The error is the engine's, of freeing the last one.
func (p *Snapshot) Release() error {
	if p.holders.Add(-1) > 0 {
		return nil
	}
	return p.snap.Close()
}
