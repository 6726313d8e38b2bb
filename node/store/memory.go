package store

import (
	"bytes"
	"errors"
	"slices"
	"sync"

	db "github.com/cometbft/cometbft-db"
	"github.com/google/btree"

	"github.com/remora-network/remora"
)

// Memory is a database in memory that crashes as one with a write-ahead log does: what was written since the last sync
// is lost, or a part of it from the end. Simulations put it in place of the disk, which costs a hundred times as much.
// Its methods may be called from several goroutines.
type Memory struct {
	mu      sync.RWMutex
	rows    *btree.BTreeG[row]
	durable *btree.BTreeG[row]
	pending [][]change // batches since the last sync
	failure error      // of every write
	values  *Values
}

// Values keeps one copy of what several databases hold: a hundred simulated validators store the same certificates, which
// are encoded once. It belongs to one goroutine.
type Values struct {
	known        map[remora.Hash][]byte
	certificates map[*remora.Certificate][]byte
}

const (
	// sharedFrom is the size from which on a value is worth looking for, maxShared how many are remembered.
	sharedFrom = 512
	maxShared  = 1 << 15
)

// keep returns a copy of a value, which may be one that it returned before.
func (s *Values) keep(value []byte) []byte {
	if s == nil || len(value) < sharedFrom {
		return append([]byte{}, value...)
	}
	digest := remora.SumBLAKE3(value)
	if kept, known := s.known[digest]; known {
		return kept
	}
	if len(s.known) >= maxShared || s.known == nil {
		s.known = make(map[remora.Hash][]byte)
	}
	s.known[digest] = slices.Clone(value)
	return s.known[digest]
}

type row struct{ key, value []byte }

// change sets a key, or deletes it, or a range when high is set.
type change struct {
	key, value, high []byte
	remove           bool
}

// degree of the trees: wide enough to be shallow, and cheap to copy when a snapshot shares them.
const degree = 16

// encode returns the encoding of a certificate that nobody changes.
func (s *Values) encode(c *remora.Certificate) []byte {
	if s == nil {
		return remora.Encode(c)
	}
	if encoded, known := s.certificates[c]; known {
		return encoded
	}
	if len(s.certificates) >= maxShared || s.certificates == nil {
		s.certificates = make(map[*remora.Certificate][]byte)
	}
	s.certificates[c] = remora.Encode(c)
	return s.certificates[c]
}

// NewMemory returns an empty database, which shares large values with others when it is given any.
func NewMemory(values *Values) *Memory {
	rows := btree.NewG(degree, func(a, b row) bool { return bytes.Compare(a.key, b.key) < 0 })
	return &Memory{rows: rows, durable: rows.Clone(), values: values}
}

// Pending returns the number of batches that a crash may lose.
func (m *Memory) Pending() int {
	m.mu.RLock()
	defer m.mu.RUnlock()
	return len(m.pending)
}

// Crash returns what a new process finds when keep of the pending batches, the oldest ones, have reached the disk. It
// leaves m as it is.
func (m *Memory) Crash(keep int) *Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	after := &Memory{rows: m.durable.Clone(), values: m.values}
	for _, batch := range m.pending[:min(keep, len(m.pending))] {
		apply(after.rows, batch)
	}
	after.durable = after.rows.Clone()
	return after
}

// Fail makes every later write fail, until it is told nil.
func (m *Memory) Fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failure = err
}

// NewBatch returns an empty batch.
func (m *Memory) NewBatch() db.Batch { return &memoryBatch{memory: m} }

// DeleteRange deletes the keys of [low, high).
func (m *Memory) DeleteRange(low, high []byte) error {
	return m.write([]change{{key: slices.Clone(low), high: slices.Clone(high), remove: true}}, false)
}

// Snapshot pins the rows.
func (m *Memory) Snapshot() snapshot {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &Memory{rows: m.rows.Clone()}
}

// Close ends the use by a store. The rows stay: Crash hands them to the next one.
func (m *Memory) Close() error { return nil }

func (m *Memory) get(key []byte) ([]byte, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	found, _ := m.rows.Get(row{key: key})
	return found.value, nil
}

func (m *Memory) ascend(low, high []byte, visit func(k, v []byte) bool) error {
	m.mu.Lock()
	rows := m.rows.Clone() // whoever visits may write
	m.mu.Unlock()
	rows.AscendGreaterOrEqual(row{key: low}, func(r row) bool {
		return (high == nil || bytes.Compare(r.key, high) < 0) && visit(r.key, r.value)
	})
	return nil
}

func (m *Memory) write(batch []change, sync bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failure != nil {
		return m.failure
	}
	apply(m.rows, batch)
	if sync {
		m.durable, m.pending = m.rows.Clone(), nil
	} else {
		m.pending = append(m.pending, batch)
	}
	return nil
}

func apply(rows *btree.BTreeG[row], batch []change) {
	for _, c := range batch {
		switch {
		case c.high != nil:
			deleteRange(rows, c.key, c.high)
		case c.remove:
			rows.Delete(row{key: c.key})
		default:
			rows.ReplaceOrInsert(row{key: c.key, value: c.value})
		}
	}
}

func deleteRange(rows *btree.BTreeG[row], low, high []byte) {
	var doomed []row
	rows.AscendRange(row{key: low}, row{key: high}, func(r row) bool {
		doomed = append(doomed, r)
		return true
	})
	for _, r := range doomed {
		rows.Delete(r)
	}
}

// memoryBatch implements db.Batch.
type memoryBatch struct {
	memory  *Memory
	changes []change
}

var errBatchUsed = errors.New("the batch was written or closed before")

// Set implements db.Batch.
func (b *memoryBatch) Set(key, value []byte) error {
	if b.memory == nil {
		return errBatchUsed
	}
	b.changes = append(b.changes, change{key: slices.Clone(key), value: b.memory.values.keep(value)})
	return nil
}

// Delete implements db.Batch.
func (b *memoryBatch) Delete(key []byte) error {
	b.changes = append(b.changes, change{key: slices.Clone(key), remove: true})
	return nil
}

// Write implements db.Batch.
func (b *memoryBatch) Write() error { return b.commit(false) }

// WriteSync implements db.Batch.
func (b *memoryBatch) WriteSync() error { return b.commit(true) }

// Close implements db.Batch.
func (b *memoryBatch) Close() error {
	b.memory = nil
	return nil
}

func (b *memoryBatch) commit(sync bool) error {
	if b.memory == nil {
		return errBatchUsed
	}
	m := b.memory
	b.memory = nil
	return m.write(b.changes, sync)
}
