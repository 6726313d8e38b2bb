package store

import (
	"errors"
	"fmt"
	"log/slog"
	"slices"

	"github.com/cockroachdb/pebble"
	"github.com/cockroachdb/pebble/bloom"
	"github.com/cockroachdb/pebble/vfs"
	db "github.com/cometbft/cometbft-db"

	"github.com/remora-network/remora"
)

// engine is a database on a disk.
type engine struct {
	rows
	db *db.PebbleDB
}

// openState opens the database in dir, or the one in memory that the options name.
func openState(fs vfs.FS, dir string, opts Options) (database, error) {
	if opts.Memory != nil {
		return opts.Memory, nil
	}
	path := fs.PathJoin(dir, stateDB+".db") // where cometbft-db puts it
	if err := makeDirs(fs, dir, path); err != nil {
		return nil, err
	}
	pebbleOpts := pebbleOptions(fs, opts)
	defer pebbleOpts.Cache.Unref() // the database holds it
	opened, err := db.NewPebbleDBWithOpts(stateDB, dir, pebbleOpts)
	if err != nil {
		return nil, err
	}
	return &engine{rows: rows{opened.DB()}, db: opened}, nil
}

// NewBatch returns an empty batch.
func (e *engine) NewBatch() db.Batch { return e.db.NewBatch() }

// DeleteRange deletes the keys of [low, high).
func (e *engine) DeleteRange(low, high []byte) error {
	return e.db.DB().DeleteRange(low, high, pebble.NoSync)
}

// Snapshot pins the rows.
func (e *engine) Snapshot() snapshot {
	pinned := e.db.DB().NewSnapshot()
	return &pinnedRows{rows: rows{pinned}, snapshot: pinned}
}

// Close releases the files.
func (e *engine) Close() error { return e.db.DB().Close() }

// rows reads from a database on a disk or from a snapshot of one.
type rows struct{ pebble.Reader }

func (r rows) get(key []byte) ([]byte, error) {
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

func (r rows) ascend(low, high []byte, visit func(k, v []byte) bool) error {
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: low, UpperBound: high})
	if err != nil {
		return classify(err)
	}
	for ok := it.First(); ok; ok = it.Next() {
		v, err := it.ValueAndErr()
		if err != nil {
			return errors.Join(classify(err), it.Close())
		}
		if !visit(slices.Clone(it.Key()), append([]byte{}, v...)) {
			break
		}
	}
	return classify(it.Close())
}

type pinnedRows struct {
	rows
	snapshot *pebble.Snapshot
}

// Close frees the snapshot.
func (p *pinnedRows) Close() error { return p.snapshot.Close() }

func pebbleOptions(fs vfs.FS, opts Options) *pebble.Options {
	cache := opts.Cache
	if cache == 0 {
		cache = 64 << 20
	}
	logger := opts.Logger
	if logger == nil {
		logger = Logger{slog.New(slog.DiscardHandler)}
	}
	o := &pebble.Options{
		FS:                       fs,
		Logger:                   logger,
		Cache:                    pebble.NewCache(cache),
		MemTableSize:             32 << 20,
		MaxConcurrentCompactions: func() int { return 1 },
		Levels:                   []pebble.LevelOptions{{FilterPolicy: bloom.FilterPolicy(10), FilterType: pebble.TableFilter}},
	}
	return o
}

func classify(err error) error {
	if errors.Is(err, pebble.ErrCorruption) {
		return fmt.Errorf("%w: %v", remora.ErrCorrupt, err)
	}
	return err
}

// Logger passes pebble's messages on. A fatal one becomes a panic: the process must not go on after a failed write,
// and it must not skip the deferred releases either.
type Logger struct{ Log *slog.Logger }

// Infof logs at debug level.
func (l Logger) Infof(format string, args ...any) { l.Log.Debug(fmt.Sprintf(format, args...)) }

// Fatalf logs and panics.
func (l Logger) Fatalf(format string, args ...any) {
	message := fmt.Sprintf(format, args...)
	l.Log.Error("storage engine stopped", slog.Any("reason", message))
	panic("storage engine: " + message)
}
