package store

import db "github.com/cometbft/cometbft-db"

// reader reads rows by key. The caller owns the returned slices but must not change them.
type reader interface {
	readRow(key []byte) ([]byte, error) // nil if there is none
	// ascend visits the rows of [low, high) in order until visit returns false.
	ascendRows(low, high []byte, visit func(k, v []byte) bool) error
}

// database holds rows: a pebbleDatabase or a Memory. What is written is durable after the next WriteSync of any batch.
type database interface {
	reader
	NewBatch() db.Batch
	DeleteRange(low, high []byte) error
	Snapshot() snapshot
	Close() error
}

// snapshot reads the rows as they were when it was taken.
type snapshot interface {
	reader
	Close() error
}
