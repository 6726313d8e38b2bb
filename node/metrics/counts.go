package metrics

import (
	"sync/atomic"
	"time"

	"github.com/remora-network/remora"
)

// Counts holds the figures that the loops of a node publish for its status and its metrics. No decision reads them.
type Counts struct {
	Round     atomic.Uint64 // the DAG round of the primary, at a follower that of the newest leader
	Proposed  atomic.Uint64 // own headers
	Timeouts  atomic.Uint64 // own headers proposed without the leader, or before its support was decided
	Requeued  atomic.Uint64 // own batches proposed again, because their header was not ordered in time
	Executed  atomic.Uint64 // transactions
	LastBlock atomic.Int64  // time of the newest execution, Unix milliseconds of the node's clock; 0: none since the start
	Diverged  atomic.Uint64 // height at which the node found that its state is not the certified one; 0: never
	Catching  atomic.Bool   // the node is syncing certified blocks
	Doubt     atomic.Uint32 // mempool.Doubt of the core

	DAGWrites   Timing // of the primary to the store
	BatchWrites Timing // of the batcher, synced
	Executions  Timing // of blocks, including their synced write
}

// CountBlocks counts the transactions of blocks that were executed now.
func (c *Counts) CountBlocks(blocks []*remora.Block) {
	c.LastBlock.Store(time.Now().UnixMilli())
	for _, b := range blocks {
		c.Executed.Add(uint64(len(b.Results)))
	}
}

// Figures returns the counts as figures. A Timing becomes two: the sum of its durations and their number.
func (c *Counts) Figures() []Figure {
	figures := []Figure{
		newFigure("round", "Round of the DAG that this validator works on.", false, &c.Round),
		newFigure("transactions_total", "Transactions executed since the start.", true, &c.Executed),
		newFigure("headers_total", "Own headers proposed.", true, &c.Proposed),
		newFigure("leader_timeouts_total", "Own headers proposed without waiting any longer for the leader.", true, &c.Timeouts),
		newFigure("batches_requeued_total", "Own batches proposed again because their header was not ordered in time.", true, &c.Requeued),
		{Name: "syncing", Help: "1 while the node syncs certified blocks.", Value: func() float64 {
			if c.Catching.Load() {
				return 1
			}
			return 0
		}},
	}
	figures = append(figures, c.DAGWrites.figures("dag_write", "writes of headers, votes and certificates")...)
	figures = append(figures, c.BatchWrites.figures("batch_write", "synced writes of batches")...)
	return append(figures, c.Executions.figures("execution", "executions of blocks, including their synced write")...)
}

func newFigure(name, help string, counter bool, v *atomic.Uint64) Figure {
	return Figure{Name: name, Help: help, Counter: counter, Value: func() float64 { return float64(v.Load()) }}
}

// Timing sums durations.
type Timing struct{ count, nanos atomic.Uint64 }

// Since adds the duration from began to now.
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
