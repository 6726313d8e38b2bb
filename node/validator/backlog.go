package validator

import (
	"fmt"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/consensus"
	"github.com/remora-network/remora/state"
)

// Work is a task that the primary passes to the engine, in order.
type Work struct {
	Sub     *remora.SubDAG // execute it
	From    remora.Authority
	Shares  []remora.Share // carried by a certified header of From
	CatchUp bool           // sync certified blocks, then have the primary rebuilt
}

// Backlog is the work that the engine has not taken yet, with the epoch that its sub-DAGs reach.
type Backlog struct {
	queue    []Work
	calendar *state.Calendar
}

// Begin starts the calendar at the view on which the cores were built: until something is ordered, the engine has nothing
// to execute.
func (b *Backlog) Begin(c *remora.Committee, p *remora.Params, view state.View) (err error) {
	b.calendar, err = state.NewCalendar(c, p, view)
	return err
}

// Add appends work.
func (b *Backlog) Add(w Work) { b.queue = append(b.queue, w) }

// AddOrdered appends the execution of committed sub-DAGs.
func (b *Backlog) AddOrdered(subs []remora.SubDAG) {
	for i := range subs {
		b.Add(Work{Sub: &subs[i]})
		b.calendar.Order(&subs[i])
	}
}

// OrderCertificates hands delivered certificates to the commit rule and appends the work that follows: the shares that their
// headers carry, and the sub-DAGs that they commit, which it returns.
func (b *Backlog) OrderCertificates(rule *consensus.Bullshark, certificates []*remora.Certificate) ([]remora.SubDAG, error) {
	var committed []remora.SubDAG
	for _, c := range certificates {
		if len(c.Header.Shares) > 0 {
			b.Add(Work{From: c.Author(), Shares: c.Header.Shares})
		}
		subs, err := rule.Insert(c)
		if err != nil {
			return nil, fmt.Errorf("ordering stopped at round %d by authority %d: %w", c.Round(), c.Author(), err)
		}
		b.AddOrdered(subs)
		committed = append(committed, subs...)
	}
	return committed, nil
}

// Epoch returns the epoch after all that was ordered.
func (b *Backlog) Epoch() remora.Epoch { return b.calendar.Epoch() }

// First returns the oldest work, and whether there is any.
func (b *Backlog) First() (Work, bool) {
	if len(b.queue) == 0 {
		return Work{}, false
	}
	return b.queue[0], true
}

// DropFirst drops the oldest work, which the engine has taken.
func (b *Backlog) DropFirst() { b.queue = b.queue[1:] }
