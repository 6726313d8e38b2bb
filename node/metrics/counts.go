package metrics

import (
	"sync/atomic"
	"time"
)

// Counts is what the loops of a node tell status and metrics. Nothing else reads it: decisions have values of their own.
type Counts struct {
	Round     atomic.Uint64 // of the DAG that the primary works on; at a follower that of the newest leader
	Proposed  atomic.Uint64 // own headers
	Timeouts  atomic.Uint64 // own headers made without the leader or without its support decided
	Requeued  atomic.Uint64 // own batches whose header was not ordered in time
	Executed  atomic.Uint64 // transactions
	LastBlock atomic.Int64  // when it was executed, Unix milliseconds of this node's clock; 0: none since the start
	Diverged  atomic.Uint64 // height at which this node found itself in the minority; 0: it did not
	Catching  atomic.Bool   // certified blocks are synced
	Doubt     atomic.Uint32 // mempool.Doubt of the core

	DAGWrites   Timing // the primary's, to the store
	BatchWrites Timing // the batcher's, synced
	Executions  Timing // of blocks, with their synced write
}

// Timing adds up durations.
type Timing struct{ count, nanos atomic.Uint64 }

// Since adds the time since something began.
func (t *Timing) Since(began time.Time) {
	t.count.Add(1)
	t.nanos.Add(uint64(time.Since(began)))
}

// Seconds returns the sum.
func (t *Timing) Seconds() float64 { return float64(t.nanos.Load()) / 1e9 }

// Count returns the number of durations.
func (t *Timing) Count() uint64 { return t.count.Load() }
