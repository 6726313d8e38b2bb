package validator

import (
	"errors"
	"sync/atomic"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/head"
	"github.com/remora-network/remora/state"
)

// work is what the primary hands to the engine, in order.
type work struct {
	sub     *remora.SubDAG // execute it
	from    remora.Authority
	shares  []remora.Share // heard in a certified header of from
	catchUp bool           // sync certified blocks, then have the primary rebuilt
}

// backlog is the work that the engine has not taken yet, and the epoch that the ordered part of it reaches.
type backlog struct {
	head     *head.Head
	engine   chan<- work
	epoch    *atomic.Uint64 // after what is ordered, for the batcher
	queue    []work
	calendar *state.Calendar
}

// open begins at the newest block, on which the cores were built too: until something is ordered, the engine has nothing
// to execute.
func (b *backlog) open(c *remora.Committee, p *remora.Params) (err error) {
	view := b.head.Newest()
	defer func() { err = errors.Join(err, view.Release()) }()
	b.calendar, err = state.NewCalendar(c, p, view.View)
	return err
}

func (b *backlog) put(w work) { b.queue = append(b.queue, w) }

func (b *backlog) order(subs []remora.SubDAG) {
	for i := range subs {
		b.put(work{sub: &subs[i]})
		b.calendar.Order(&subs[i])
	}
	b.epoch.Store(uint64(b.calendar.Epoch()))
}

// next returns the engine's channel and what to send there, or nil when there is nothing.
func (b *backlog) next() (chan<- work, work) {
	if len(b.queue) == 0 {
		return nil, work{}
	}
	return b.engine, b.queue[0]
}

// taken drops what next returned.
func (b *backlog) taken() { b.queue = b.queue[1:] }
