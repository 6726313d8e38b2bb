package store

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/cockroachdb/pebble"
	"github.com/cockroachdb/pebble/vfs"
	db "github.com/cometbft/cometbft-db"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/store/segment"
)

// ErrOtherChain says that the data directory belongs to a chain with another genesis.
var ErrOtherChain = errors.New("data directory belongs to another chain")

// Options configure a Store. The zero value is usable.
type Options struct {
	FS     vfs.FS        // nil: the disk
	Memory *Memory       // for simulations: holds everything but the batches, in place of a database on FS
	Logger pebble.Logger // nil: messages are discarded. Fatalf must not return
	Cache  int64         // bytes of block cache; 0: 64 MiB

	Segment int64 // size at which a new segment of batches begins; 0: 64 MiB
}

// Store is the durable half of a node. Its methods may be called from any goroutine, Commit and Stage from one at a
// time.
type Store struct {
	db      database
	batches *segment.Log
	damage  []segment.Damage
	values  *Values // with Options.Memory only

	mu     sync.RWMutex  // guards height
	height remora.Height // of the newest durable block
	staged remora.Height // of the newest block; owned by the goroutine that commits
}

// Open opens or creates the store in dir, whose parent must exist. Damaged batches do not fail it; they are listed by
// Damage and have to be fetched again.
func Open(dir string, opts Options) (*Store, error) {
	fs := cmp.Or(opts.FS, vfs.Default)
	opts.FS = fs
	if err := makeDurableDirs(fs, dir, fs.PathJoin(dir, batchDir)); err != nil {
		return nil, err
	}
	state, err := openDatabase(opts, fs.PathJoin(dir, stateDir))
	if err != nil {
		return nil, fmt.Errorf("open state in %s: %w", dir, markCorruption(err))
	}
	genuine := func(digest remora.Hash, payload []byte) bool { return remora.SumBLAKE3(payload) == digest }
	log, damage, err := segment.Open(fs, fs.PathJoin(dir, batchDir), segment.Options{Genuine: genuine, MaxSegment: opts.Segment})
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

// InMemory opens an empty store in memory, for audits, simulations and tests.
func InMemory() (*Store, error) { return Open("/store", Options{FS: vfs.NewMem()}) }

const (
	stateDir = "state"
	stateDB  = "remora"
	batchDir = "batches"
)

// makeDurableDirs creates directories and syncs their parents: otherwise a crash can lose the directory of a synced
// database.
func makeDurableDirs(fs vfs.FS, dirs ...string) error {
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

// Damage lists the damaged batches found when the store was opened.
func (s *Store) Damage() []segment.Damage { return s.damage }

// Close releases the files. The store must not be used afterwards.
func (s *Store) Close() error {
	return errors.Join(s.batches.Close(), s.db.Close())
}

func (s *Store) readValue(key []byte) ([]byte, error) {
	v, err := s.db.readRow(key)
	if err != nil {
		return nil, fmt.Errorf("read %q: %w", key[:1], markCorruption(err))
	}
	return v, nil
}

// readNumber returns the number in a row, and whether there is one.
func (s *Store) readNumber(key []byte) (n uint64, found bool, err error) {
	v, err := s.readValue(key)
	if err != nil || len(v) != 8 {
		return 0, false, err
	}
	return binary.BigEndian.Uint64(v), true, nil
}

// putRow sets one row by a write of a batch, with or without a sync.
func (s *Store) putRow(key, value []byte, write func(db.Batch) error) error {
	batch := s.db.NewBatch()
	defer batch.Close()
	if err := batch.Set(key, value); err != nil {
		return err
	}
	return write(batch)
}

func encodeUint64(v uint64) []byte { return binary.BigEndian.AppendUint64(nil, v) }
