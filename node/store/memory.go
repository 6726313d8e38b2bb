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

// Memory is a database in memory that crashes like one with a write-ahead log: of the writes since the last sync, a
// crash keeps a prefix. Simulations use it in place of a disk, which costs a hundred times as much. Its methods may be
// called from any goroutine.
type Memory struct {
	mu      sync.RWMutex
	rows    *btree.BTreeG[row]
	durable *btree.BTreeG[row]
	pending [][]change // batches since the last sync
	failure error      // returned by every write if set
	values  *Values
}

// Values shares one copy of equal values among several databases: a hundred simulated validators store the same
// certificates, which are encoded once. It must be used by one goroutine only.
type Values struct {
	known        map[remora.Hash][]byte
	certificates map[*remora.Certificate][]byte
}

const (
	// sharedFrom is the size in bytes from which a value is shared; maxShared bounds the number of shared values.
	sharedFrom = 512
	maxShared  = 1 << 15
)

// internValue returns a copy of a value, the same one for equal values.
func (s *Values) internValue(value []byte) []byte {
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

// change sets a key, deletes it, or deletes the range up to high if high is set.
type change struct {
	key, value, high []byte
	remove           bool
}

// degree of the trees: wide enough to be shallow, and cheap to copy while a snapshot shares them.
const degree = 16

// encodeCertificate returns the encoding of a certificate, which the caller must not change.
func (s *Values) encodeCertificate(c *remora.Certificate) []byte {
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

// NewMemory returns an empty database, which shares large values with others through values, if it is not nil.
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

// Crash returns the database that a new process finds if the oldest keep of the pending batches have reached the disk.
// It does not change m.
func (m *Memory) Crash(keep int) *Memory {
	m.mu.Lock()
	defer m.mu.Unlock()
	after := &Memory{rows: m.durable.Clone(), values: m.values}
	for _, batch := range m.pending[:min(keep, len(m.pending))] {
		applyChanges(after.rows, batch)
	}
	after.durable = after.rows.Clone()
	return after
}

// Fail makes every later write fail with err; nil ends that.
func (m *Memory) Fail(err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.failure = err
}

// NewBatch returns an empty batch.
func (m *Memory) NewBatch() db.Batch { return &memoryBatch{memory: m} }

// DeleteRange deletes the keys of [low, high).
func (m *Memory) DeleteRange(low, high []byte) error {
	return m.writeChanges([]change{{key: slices.Clone(low), high: slices.Clone(high), remove: true}}, false)
}

// Snapshot pins the rows.
func (m *Memory) Snapshot() snapshot {
	m.mu.Lock()
	defer m.mu.Unlock()
	return &Memory{rows: m.rows.Clone()}
}

// Close does nothing: the rows stay, so that Crash can pass them on.
func (m *Memory) Close() error { return nil }

func (m *Memory) readRow(key []byte) ([]byte, error) {
	m.mu.RLock()
	defer m.mu.RUnlock()
	found, _ := m.rows.Get(row{key: key})
	return found.value, nil
}

func (m *Memory) ascendRows(low, high []byte, visit func(k, v []byte) bool) error {
	m.mu.Lock()
	rows := m.rows.Clone() // visit may write
	m.mu.Unlock()
	rows.AscendGreaterOrEqual(row{key: low}, func(r row) bool {
		return (high == nil || bytes.Compare(r.key, high) < 0) && visit(r.key, r.value)
	})
	return nil
}

func (m *Memory) writeChanges(batch []change, sync bool) error {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.failure != nil {
		return m.failure
	}
	applyChanges(m.rows, batch)
	if sync {
		m.durable, m.pending = m.rows.Clone(), nil
	} else {
		m.pending = append(m.pending, batch)
	}
	return nil
}

func applyChanges(rows *btree.BTreeG[row], batch []change) {
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
	b.changes = append(b.changes, change{key: slices.Clone(key), value: b.memory.values.internValue(value)})
	return nil
}

// Delete implements db.Batch.
func (b *memoryBatch) Delete(key []byte) error {
	b.changes = append(b.changes, change{key: slices.Clone(key), remove: true})
	return nil
}

// Write implements db.Batch.
func (b *memoryBatch) Write() error { return b.commitChanges(false) }

// WriteSync implements db.Batch.
func (b *memoryBatch) WriteSync() error { return b.commitChanges(true) }

// Close implements db.Batch.
func (b *memoryBatch) Close() error {
	b.memory = nil
	return nil
}

func (b *memoryBatch) commitChanges(sync bool) error {
	if b.memory == nil {
		return errBatchUsed
	}
	m := b.memory
	b.memory = nil
	return m.writeChanges(b.changes, sync)
}
