package registry

import (
	"math"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state/table"
)

// MaxStep is the most by which one block moves a clock of the chain, in milliseconds. It is above the longest time between
// blocks of an idle chain, so that clocks keep up, and not above the shortest epoch in use, so that one wrong median costs one
// epoch at most.
const MaxStep remora.Millis = 4_000

// Blocks of a bucket: what the clocks remember reaches back one to two buckets. A long memory of high medians keeps a wrong one
// that comes back from moving Active each time. A short one of low medians lets Time come back soon after a pause.
const (
	highBlocks = 128
	lowBlocks  = 16
)

// Clock is what the medians of the validators' clocks make of time, after a block. Active is the clock that rules read. Time is
// the time in the block's header, which people read and no rule does: Active stands still while the chain does, Time comes back
// to the wall clock.
type Clock struct {
	_      struct{} `cbor:",toarray"`
	Active remora.Millis
	Time   remora.Millis
	// Ahead is the last block's median if it was more than MaxStep above all that are remembered, else 0: the next block tells
	// whether the chain paused, or that median was wrong.
	Ahead  remora.Millis
	Wary   uint64 // blocks for which a median so far ahead moves Active no more, since one of them was wrong
	Blocks uint64 // of which High holds the highest median
	// High and PastHigh are the highest medians of two buckets of 128 blocks, without those that were far ahead unless the next
	// block confirmed them; Low and PastLow are the lowest ones of two buckets of 16 blocks.
	High, PastHigh remora.Millis
	Low, PastLow   remora.Millis
}

// NewClock returns the clock of the genesis.
func NewClock(genesis remora.Millis) Clock {
	return Clock{Active: genesis, Time: genesis, High: genesis, Low: genesis, PastLow: math.MaxUint64}
}

// After returns the clock after the next block, whose median is given. Active moves by the distance from the highest median
// that is remembered, from 1 ms to MaxStep. Time becomes the median, later than it was by 1 ms to twice what Active
// moves by, or by more where all medians that are remembered are later still.
func (c Clock) After(median remora.Millis) Clock {
	next := c
	next.Ahead, next.Wary = 0, c.Wary-min(c.Wary, 1)
	confirmed := c.Ahead != 0 && addMillis(median, MaxStep) >= c.Ahead
	switch {
	case confirmed:
		next.High = max(next.High, c.Ahead)
	case c.Ahead != 0:
		next.Wary = 2 * highBlocks
	}
	highest := max(next.High, c.PastHigh)
	switch {
	case median <= highest+1:
		next.Active = addMillis(c.Active, 1)
	case median-highest <= MaxStep:
		next.Active = addMillis(c.Active, median-highest)
	case next.Wary > 0:
		next.Ahead, next.Active = median, addMillis(c.Active, 1)
	default:
		next.Ahead, next.Active = median, addMillis(c.Active, MaxStep)
	}
	if next.Ahead == 0 {
		next.High = max(next.High, median)
	}
	next.Low = min(c.Low, median)
	lowest := min(next.Low, c.PastLow)
	step := next.Active - c.Active
	next.Time = max(addMillis(c.Time, 1), min(median, max(addMillis(c.Time, 2*step), lowest)))
	next.endBlock(highest)
	return next
}

// endBlock begins a bucket where one is full. One whose medians were all far ahead keeps the highest that was remembered.
func (c *Clock) endBlock(highest remora.Millis) {
	c.Blocks++
	if c.Blocks%lowBlocks == 0 {
		c.PastLow, c.Low = c.Low, math.MaxUint64
	}
	if c.Blocks < highBlocks {
		return
	}
	c.Blocks, c.PastHigh, c.High = 0, c.High, 0
	if c.PastHigh == 0 {
		c.PastHigh = highest
	}
}

func addMillis(a, b remora.Millis) remora.Millis {
	if a > math.MaxUint64-b {
		return math.MaxUint64
	}
	return a + b
}

// GetClock returns the clock after the newest block.
func GetClock(v table.View) (Clock, error) {
	var c Clock
	err := loadRecord(v, clockKey, &c)
	return c, err
}

// PutClock writes the clock after a block.
func PutClock(o *table.Overlay, c Clock) { o.Put(table.Chain, clockKey, remora.Encode(c)) }
