package store

import (
	"cmp"
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/cockroachdb/pebble"
	"github.com/cockroachdb/pebble/bloom"
	db "github.com/cometbft/cometbft-db"

	"github.com/remora-network/remora"
)

// pebbleDatabase is a database on a disk.
type pebbleDatabase struct {
	rows
	db *db.PebbleDB
}

// openDatabase opens the database in dir, or returns Options.Memory if it is set.
func openDatabase(opts Options, dir string) (database, error) {
	if opts.Memory != nil {
		return opts.Memory, nil
	}
	opened, err := openPebble(opts, dir, stateDB, stateTable)
	if err != nil {
		return nil, err
	}
	return &pebbleDatabase{rows: rows{opened.DB()}, db: opened}, nil
}

// openPebble opens or creates a database in dir, with memory tables of some bytes.
func openPebble(opts Options, dir, name string, table uint64) (*db.PebbleDB, error) {
	path := opts.FS.PathJoin(dir, name+".db") // the path that cometbft-db chooses
	if err := makeDurableDirs(opts.FS, dir, path); err != nil {
		return nil, err
	}
	o := pebbleOptions(opts, table)
	defer o.Cache.Unref() // the database holds its own reference
	return db.NewPebbleDBWithOpts(name, dir, o)
}

// NewBatch returns an empty batch.
func (e *pebbleDatabase) NewBatch() db.Batch { return e.db.NewBatch() }

// DeleteRange deletes the keys of [low, high).
func (e *pebbleDatabase) DeleteRange(low, high []byte) error {
	return e.db.DB().DeleteRange(low, high, pebble.NoSync)
}

// Snapshot returns the present rows, unaffected by later writes.
func (e *pebbleDatabase) Snapshot() snapshot { return rows{e.db.DB().NewSnapshot()} }

// rows reads from a database on a disk or from one of its snapshots, which Close releases.
type rows struct{ pebble.Reader }

func (r rows) readRow(key []byte) ([]byte, error) {
	v, closer, err := r.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	value := append([]byte{}, v...)
	return value, closer.Close()
}

func (r rows) ascendRows(low, high []byte, visit func(k, v []byte) bool) error {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: low, UpperBound: high})
	if err != nil {
		return markCorruption(err)
	}
	for ok := it.First(); ok; ok = it.Next() {
		v, err := it.ValueAndErr()
		if err != nil {
			return errors.Join(markCorruption(err), it.Close())
		}
		if !visit(slices.Clone(it.Key()), append([]byte{}, v...)) {
			break
		}
	}
	return markCorruption(it.Close())
}

// stateTable is the size of a memory table of the state's database in bytes.
const stateTable = 32 << 20

func pebbleOptions(opts Options, table uint64) *pebble.Options {
	logger := opts.Logger
	if logger == nil {
		logger = Logger{slog.New(slog.DiscardHandler)}
	}
	return &pebble.Options{
		FS:                       opts.FS,
		Logger:                   logger,
		Cache:                    pebble.NewCache(cmp.Or(opts.Cache, 64<<20)),
		MemTableSize:             table,
		MaxConcurrentCompactions: func() int { return 1 },
		Levels:                   []pebble.LevelOptions{{FilterPolicy: bloom.FilterPolicy(10), FilterType: pebble.TableFilter}},
	}
}

func markCorruption(err error) error {
	if errors.Is(err, pebble.ErrCorruption) {
		return fmt.Errorf("%w: %v", remora.ErrCorrupt, err)
	}
	return err
}

// Logger passes pebble's messages on. Fatalf panics: the process must not continue after a failed write, and deferred
// functions must still run.
type Logger struct{ Log *slog.Logger }

// Infof logs at debug level.
func (l Logger) Infof(format string, args ...any) { l.Log.Debug(fmt.Sprintf(format, args...)) }

// Fatalf logs and panics.
func (l Logger) Fatalf(format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	l.Log.Error("storage engine stopped", slog.Any("reason", message))
	panic("storage engine: " + message)
}
