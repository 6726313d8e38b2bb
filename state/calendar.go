package state

import (
	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state/registry"
)

// Calendar tracks the epochs of blocks that are ordered and not executed yet: clocks and epochs follow from the headers of
// sub-DAGs alone. It is used by one goroutine.
type Calendar struct {
	committee *remora.Committee
	params    *remora.Params
	height    remora.Height
	clock     registry.Clock
	subDAG    remora.Hash
	epoch     registry.Epoch
}

// NewCalendar returns a calendar that starts at the block of a view.
func NewCalendar(c *remora.Committee, p *remora.Params, v View) (*Calendar, error) {
	epoch, err := registry.GetEpoch(v.Tables)
	if err != nil {
		return nil, err
	}
	clock, err := registry.GetClock(v.Tables)
	if err != nil {
		return nil, err
	}
	return &Calendar{committee: c, params: p, height: v.Tip.Height, clock: clock, subDAG: v.Tip.SubDAG, epoch: epoch}, nil
}

// Order adds the sub-DAG of the next block. One that does not follow the newest belongs to a block already in the view, and
// is ignored.
func (c *Calendar) Order(sub *remora.SubDAG) {
	if sub.Previous != c.subDAG {
		return
	}
	c.height++
	c.clock = c.clock.After(blockMedian(c.committee, sub))
	c.subDAG = sub.Digest(c.committee.Domain)
	c.epoch = c.epoch.After(c.clock.Active, c.height, c.params)
}

// Epoch returns the epoch of the block after the newest ordered one.
func (c *Calendar) Epoch() remora.Epoch { return c.epoch.Number }
