package store

import (
	"fmt"
	"sync/atomic"

	"github.com/remora-network/remora/state/table"
)

// tables reads the state from the database.
type tables struct{ reader }

// Get implements table.View.
func (t tables) Get(id table.ID, key []byte) ([]byte, error) {
	v, err := t.readRow(stateKey(id, key))
	if err != nil {
		return nil, fmt.Errorf("read state table %d: %w", id, markCorruption(err))
	}
	return v, nil
}

// Ascend implements table.View.
func (t tables) Ascend(id table.ID, prefix []byte, visit func(key, value []byte) bool) error {
	low := stateKey(id, prefix)
	return t.ascendRows(low, prefixSuccessor(low), func(k, v []byte) bool { return visit(k[2:], v) })
}

// Tables returns the newest state, which changes with each commit. A reader that may overlap a commit uses Snapshot.
func (s *Store) Tables() table.View { return tables{s.db} }

// Snapshot is the state at the moment when the snapshot was taken. It counts its holders, at first one; the last
// Release frees it.
type Snapshot struct {
	tables
	pinned  snapshot
	holders atomic.Int64
}

// Snapshot pins the newest state for reading.
func (s *Store) Snapshot() *Snapshot {
	pinned := s.db.Snapshot()
	p := &Snapshot{tables: tables{pinned}, pinned: pinned}
	p.holders.Store(1)
	return p
}

// Hold adds a holder and reports whether the snapshot was still held by any.
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

// Release removes a holder. The last one frees the snapshot and returns the database's error.
func (p *Snapshot) Release() error {
	if p.holders.Add(-1) > 0 {
		return nil
	}
	return p.pinned.Close()
}
