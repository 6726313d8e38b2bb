package state

import (
	"github.com/remora-network/remora"
	"github.com/remora-network/remora/state/registry"
)

// Calendar tracks the epochs of blocks that are ordered and not executed yet: times and epochs follow from the headers of
// sub-DAGs alone. It is used by one goroutine.
type Calendar struct {
	committee *remora.Committee
	params    *remora.Params
	height    remora.Height
	time      remora.Millis
	subDAG    remora.Hash
	epoch     registry.Epoch
}

// NewCalendar returns a calendar that starts at the block of a view.
func NewCalendar(c *remora.Committee, p *remora.Params, v View) (*Calendar, error) {
	epoch, err := registry.GetEpoch(v.Tables)
	if err != nil {
		return nil, err
	}
	return &Calendar{committee: c, params: p, height: v.Tip.Height, time: v.Tip.Time, subDAG: v.Tip.SubDAG, epoch: epoch}, nil
}

// Order adds the sub-DAG of the next block. One that does not follow the newest belongs to a block already in the view, and
// is ignored.
func (c *Calendar) Order(sub *remora.SubDAG) {
	if sub.Previous != c.subDAG {
		return
	}
	c.height++
	c.time = blockTime(c.committee, c.time, sub)
	c.subDAG = sub.Digest(c.committee.Domain)
	c.epoch = c.epoch.After(c.time, c.height, c.params)
}

// Epoch returns the epoch of the block after the newest ordered one.
func (c *Calendar) Epoch() remora.Epoch { return c.epoch.Number }
