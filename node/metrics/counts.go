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

// Figures returns the counts as a node reports them. Where the loops' time goes is a sum and the number of its parts.
func (c *Counts) Figures() []Figure {
	figures := []Figure{
		newFigure("round", "Round of the DAG that this validator works on.", false, &c.Round),
		newFigure("transactions_total", "Transactions executed since the start.", true, &c.Executed),
		newFigure("headers_total", "Own headers proposed.", true, &c.Proposed),
		newFigure("leader_timeouts_total", "Own headers proposed without waiting longer for the leader.", true, &c.Timeouts),
		newFigure("batches_requeued_total", "Own batches proposed again because their header was not ordered in time.", true, &c.Requeued),
		{Name: "syncing", Help: "1 while certified blocks are synced.", Value: func() float64 {
			if c.Catching.Load() {
				return 1
			}
			return 0
		}},
	}
	figures = append(figures, c.DAGWrites.figures("dag_write", "writes of headers, votes and certificates")...)
	figures = append(figures, c.BatchWrites.figures("batch_write", "synced writes of batches")...)
	return append(figures, c.Executions.figures("execution", "executions of blocks with their synced write")...)
}

func newFigure(name, help string, counter bool, v *atomic.Uint64) Figure {
	return Figure{Name: name, Help: help, Counter: counter, Value: func() float64 { return float64(v.Load()) }}
}

// Timing adds up durations.
type Timing struct{ count, nanos atomic.Uint64 }

// Since adds the time since something began.
func (t *Timing) Since(began time.Time) {
	t.count.Add(1)
	t.nanos.Add(uint64(time.Since(began)))
}

func (t *Timing) figures(name, what string) []Figure {
	seconds := func() float64 { return float64(t.nanos.Load()) / 1e9 }
	return []Figure{
		{Name: name + "_seconds_total", Help: "Time of " + what + ".", Counter: true, Value: seconds},
		newFigure(name+"s_total", "Number of "+what+".", true, &t.count),
	}
}
