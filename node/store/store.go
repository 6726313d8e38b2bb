// Package store keeps what a node must not forget: the batches in append-only segments, everything else in one
// cometbft-db database over pebble. It is the only importer of both.
//
// One database means one write-ahead log: whatever was written before a synced write is durable with it. So a header
// that is synced before it is sent carries with it every certificate accepted before, and a block's state, its record
// and the cursor are one batch.
package store

import (
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/cockroachdb/pebble"
	"github.com/cockroachdb/pebble/vfs"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/store/segment"
)

// ErrOtherChain says that the directory belongs to a chain with another genesis.
var ErrOtherChain = errors.New("data directory belongs to another chain")

// Options configure a Store. The zero value is usable.
type Options struct {
	FS     vfs.FS        // the disk when nil
	Memory *Memory       // holds everything but the batches in place of a database on FS, for simulations
	Logger pebble.Logger // discards when nil; Fatalf must not return
	Cache  int64         // bytes of block cache: 64 MiB when zero
}

// Store is the durable half of a node. Its methods may be called from several goroutines; Commit and Stage from one at a time.
type Store struct {
	db      database
	batches *segment.Log
	damage  []segment.Damage
	values  *Values // of a database in memory

	mu     sync.RWMutex  // guards height
	height remora.Height // of the newest durable block
	staged remora.Height // of the newest block; belongs to whoever commits
}

// Open opens or creates the store in dir, whose parent exists. Damage lists records of batches that did not survive;
// they are fetched again when needed.
func Open(dir string, opts Options) (*Store, error) {
	fs := opts.FS
	if fs == nil {
		fs = vfs.Default
	}
	if err := makeDirs(fs, dir, fs.PathJoin(dir, batchDir)); err != nil {
		return nil, err
	}
	state, err := openState(fs, fs.PathJoin(dir, stateDir), opts)
	if err != nil {
		return nil, fmt.Errorf("open state in %s: %w", dir, classify(err))
	}
	genuine := func(digest remora.Hash, payload []byte) bool { return remora.SumBLAKE3(payload) == digest }
	log, damage, err := segment.Open(fs, fs.PathJoin(dir, batchDir), segment.Options{Genuine: genuine})
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open batches in %s: %w", dir, err), state.Close())
	}
	s := &Store{db: state, batches: log, damage: damage}
	if opts.Memory != nil {
		s.values = opts.Memory.values
	}
	if err := s.loadHeight(); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// InMemory opens an empty store that no disk holds: for audits, simulations and tests.
func InMemory() (*Store, error) { return Open("/store", Options{FS: vfs.NewMem()}) }

const (
	stateDir = "state"
	stateDB  = "remora"
	batchDir = "batches"
)

// makeDirs creates directories and makes their entries durable: without it a crash can lose a synced database.
func makeDirs(fs vfs.FS, dirs ...string) error {
	for _, dir := range dirs {
		if err := fs.MkdirAll(dir, 0o700); err != nil {
			return fmt.Errorf("create %s: %w", dir, err)
		}
		parent, err := fs.OpenDir(fs.PathDir(dir))
		if err != nil {
			return fmt.Errorf("open the directory above %s: %w", dir, err)
		}
		if err := errors.Join(parent.Sync(), parent.Close()); err != nil {
			return fmt.Errorf("sync the directory above %s: %w", dir, err)
		}
	}
	return nil
}

// Damage lists the batches that were found damaged when the store was opened.
func (s *Store) Damage() []segment.Damage { return s.damage }

// Close releases the files. Nothing may use the store afterwards.
func (s *Store) Close() error {
	return errors.Join(s.batches.Close(), s.db.Close())
}

func (s *Store) get(key []byte) ([]byte, error) {
	v, err := s.db.get(key)
	if err != nil {
		return nil, fmt.Errorf("read %q: %w", key[:1], classify(err))
	}
	return v, nil
}

func u64(v uint64) []byte { return binary.BigEndian.AppendUint64(nil, v) }
