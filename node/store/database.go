package store

import db "github.com/cometbft/cometbft-db"

// reader reads rows by key. What it returns belongs to the caller, who does not change it.
type reader interface {
	get(key []byte) ([]byte, error) // nil where there is none
	// ascend visits the rows of [low, high) in order until visit returns false.
	ascend(low, high []byte, visit func(k, v []byte) bool) error
}

// database holds rows: an engine on a disk, or a Memory. What is written is durable with the next WriteSync of any batch.
type database interface {
	reader
	NewBatch() db.Batch
	DeleteRange(low, high []byte) error
	Snapshot() snapshot
	Close() error
}

// snapshot reads rows as they were once.
type snapshot interface {
	reader
	Close() error
}
