package store

import (
	"cmp"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble"
	"github.com/cockroachdb/pebble/vfs"
	db "github.com/cometbft/cometbft-db"
)

// Journal is a small durable key-value store, ordered by key, for the records of a service. It has a database of its
// own, so that it does not wait for the chain's writes. Its methods may be called from any goroutine.
type Journal struct{ db *db.PebbleDB }

const (
	journalDB = "journal"
	// journalCache and journalTable bound a journal's memory in bytes: its records are written once and read seldom.
	journalCache = 4 << 20
	journalTable = 4 << 20
)

// OpenJournal opens or creates the journal in dir, whose parent must exist. The options are those of a Store, with a
// block cache of 4 MiB by default.
func OpenJournal(dir string, opts Options) (*Journal, error) {
	opts.FS, opts.Cache = cmp.Or(opts.FS, vfs.Default), cmp.Or(opts.Cache, journalCache)
	database, err := openPebble(opts, dir, journalDB, journalTable)
	if err != nil {
		return nil, fmt.Errorf("open the journal in %s: %w", dir, markCorruption(err))
	}
	return &Journal{database}, nil
}

// Write removes every key that begins with one of drops, then sets puts, atomically. The changes are durable when Write
// returns. Concurrent writes share a sync.
func (j *Journal) Write(puts map[string][]byte, drops [][]byte) error {
	batch := j.db.DB().NewBatch()
	var err error
	for _, prefix := range drops {
		err = errors.Join(err, deletePrefix(batch, prefix))
	}
	for key, value := range puts {
		err = errors.Join(err, batch.Set([]byte(key), value, nil))
	}
	if err == nil {
		err = batch.Commit(pebble.Sync)
	}
	if err = errors.Join(err, batch.Close()); err != nil {
		return fmt.Errorf("write the journal: %w", markCorruption(err))
	}
	return nil
}

// deletePrefix removes all keys with a prefix by one range record. A prefix of 255s only has no key above it and is
// refused.
func deletePrefix(batch *pebble.Batch, prefix []byte) error {
	end := prefixSuccessor(prefix)
	if end == nil {
		return fmt.Errorf("delete all keys with prefix %x: a prefix needs a byte below 255", prefix)
	}
	return batch.DeleteRange(prefix, end, nil)
}

// Get returns the value of a key, nil if there is none.
func (j *Journal) Get(key []byte) ([]byte, error) {
	v, err := rows{j.db.DB()}.readRow(key)
	if err != nil {
		return nil, fmt.Errorf("read the journal: %w", markCorruption(err))
	}
	return v, nil
}

// Ascend visits the keys that begin with prefix in order, until visit returns false.
func (j *Journal) Ascend(prefix []byte, visit func(key, value []byte) bool) error {
	return rows{j.db.DB()}.ascendRows(prefix, prefixSuccessor(prefix), visit)
}

// Close releases the files. Nothing may use the journal afterwards.
func (j *Journal) Close() error { return j.db.DB().Close() }
