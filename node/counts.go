package node

import (
	"sync/atomic"
	"time"
)

// counts is what the loops tell status and metrics.
type counts struct {
	round     atomic.Uint64 // of the DAG, that the primary works on
	certified atomic.Uint64 // round of the newest leader whose block is certified
	proposed  atomic.Uint64 // own headers
	timeouts  atomic.Uint64 // own headers made without the leader or without its support decided
	requeued  atomic.Uint64 // own batches whose header was not ordered in time
	executed  atomic.Uint64 // transactions
	lastBlock atomic.Int64  // when it was executed, Unix milliseconds of this node's clock; 0: none since the start
	diverged  atomic.Uint64 // height at which this node found itself in the minority; 0: it did not
	catching  atomic.Bool   // certified blocks are synced
	doubt     atomic.Uint32 // mempool.Doubt of the core
	listed    atomic.Bool   // the registry has this cache or gateway as it is

	dagWrites   timing // the primary's, to the store
	batchWrites timing // the batcher's, synced
	executions  timing // of blocks, with their synced write
}

// timing adds up durations.
type timing struct{ count, nanos atomic.Uint64 }

func (t *timing) since(began time.Time) {
	t.count.Add(1)
	t.nanos.Add(uint64(time.Since(began)))
}

// seconds returns the sum.
func (t *timing) seconds() float64 { return float64(t.nanos.Load()) / 1e9 }
