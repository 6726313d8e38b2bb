package store

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble"
	"github.com/cockroachdb/pebble/vfs"
	db "github.com/cometbft/cometbft-db"
)

// Journal is a small ordered key-value store for what a service of the node must not forget. It has a database of its
// own, so that nothing of it waits for the chain's. Its methods may be called from several goroutines.
type Journal struct{ db *db.PebbleDB }

const (
	journalDB = "journal"
	// journalCache and journalTable bound the memory of a journal: what it holds is written once and read seldom.
	journalCache = 4 << 20
	journalTable = 4 << 20
)

// OpenJournal opens or creates the journal in dir, whose parent exists. Options are those of a Store, with a block cache
// of 4 MiB when none is given.
func OpenJournal(dir string, opts Options) (*Journal, error) {
	fs := opts.FS
	if fs == nil {
		fs = vfs.Default
	}
	if opts.Cache == 0 {
		opts.Cache = journalCache
	}
	if err := makeDirs(fs, dir, fs.PathJoin(dir, journalDB+".db")); err != nil {
		return nil, err
	}
	pebbleOpts := pebbleOptions(fs, opts)
	defer pebbleOpts.Cache.Unref() // the database holds it
	pebbleOpts.MemTableSize = journalTable
	database, err := db.NewPebbleDBWithOpts(journalDB, dir, pebbleOpts)
	if err != nil {
		return nil, fmt.Errorf("open the journal in %s: %w", dir, classify(err))
	}
	return &Journal{database}, nil
}

// Write removes every key that begins with one of drops, then sets puts: all of it or nothing. It is durable when Write
// returns. Writes at the same time share a sync.
func (j *Journal) Write(puts map[string][]byte, drops [][]byte) error {
	batch := j.db.DB().NewBatch()
	var err error
	for _, prefix := range drops {
		err = errors.Join(err, drop(batch, prefix))
	}
	for key, value := range puts {
		err = errors.Join(err, batch.Set([]byte(key), value, nil))
	}
	if err == nil {
		err = batch.Commit(pebble.Sync)
	}
	if err = errors.Join(err, batch.Close()); err != nil {
		return fmt.Errorf("write the journal: %w", classify(err))
	}
	return nil
}

// drop removes a range with one record, however many keys are in it. The last prefixes have no key above them.
func drop(batch *pebble.Batch, prefix []byte) error {
	end := successor(prefix)
	if end == nil {
		return fmt.Errorf("drop of all keys from %x on: a prefix needs a byte below 255", prefix)
	}
	return batch.DeleteRange(prefix, end, nil)
}

// Get returns the value of a key, nil where there is none.
func (j *Journal) Get(key []byte) ([]byte, error) {
	v, err := rows{j.db.DB()}.get(key)
	if err != nil {
		return nil, fmt.Errorf("read the journal: %w", classify(err))
	}
	return v, nil
}

// Ascend visits the keys that begin with prefix in their order, until visit returns false.
func (j *Journal) Ascend(prefix []byte, visit func(key, value []byte) bool) error {
	return rows{j.db.DB()}.ascend(prefix, successor(prefix), visit)
}

// Close releases the files. Nothing may use the journal afterwards.
func (j *Journal) Close() error { return j.db.DB().Close() }
