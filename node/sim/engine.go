package sim

import (
	"errors"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool/worker"
)

// maxExecution is the longest time that a block takes, a fourth of it the mean; the engine's lag is where a crash finds
// blocks that are ordered and not executed.
const maxExecution = 20 * time.Millisecond

// fetchPatience is how long the engine waits for batches before it asks the next authority.
const fetchPatience = 100 * time.Millisecond

// work is a sub-DAG to execute, or without one the order to sync blocks.
type work struct{ sub *remora.SubDAG }

func (v *validator) enqueue(subs []remora.SubDAG) {
	for i := range subs {
		v.queue = append(v.queue, work{sub: &subs[i]})
		v.calendar.Order(&subs[i])
	}
	if len(subs) > 0 {
		v.tellWorker(worker.EpochOrdered{Epoch: v.calendar.Epoch()})
	}
	if v.up {
		v.work()
	}
}

// work sets the engine to the next piece of work.
func (v *validator) work() {
	if v.working || len(v.queue) == 0 {
		return
	}
	v.working = true
	u := v.world.engines.Float64()
	took := u * u * u * float64(maxExecution) * v.world.network.slow[v.self]
	v.wake(time.Duration(took), v.execute)
}

// execute makes the oldest committed sub-DAG the next block, once its batches are here.
func (v *validator) execute() {
	sub := v.queue[0].sub
	if sub == nil {
		v.working, v.queue = false, v.queue[1:]
		v.startSync()
		return
	}
	batches, complete := v.gather(sub)
	if !v.up || !complete {
		return
	}
	block, err := v.exec.Execute(*sub, batches, nil)
	if err != nil {
		v.halt(err)
		return
	}
	v.working, v.asking, v.queue = false, nil, v.queue[1:]
	v.executed(block, batches)
	v.work()
}

// gather returns the batches of a sub-DAG. Missing ones are asked for, and the engine tries again.
func (v *validator) gather(sub *remora.SubDAG) ([]remora.Batch, bool) {
	refs, err := v.exec.Pending(sub)
	if err != nil {
		v.halt(err)
		return nil, false
	}
	batches := make([]remora.Batch, len(refs))
	var absent []remora.Hash
	for i, ref := range refs {
		if batches[i], err = v.batch(ref.Digest); isAbsent(err) {
			absent = append(absent, ref.Digest)
		} else if err != nil {
			v.halt(err)
			return nil, false
		}
	}
	if len(absent) == 0 {
		return batches, true
	}
	v.seek(author(sub, absent[0]), absent)
	return nil, false
}

// seek asks one authority for batches and goes on when it has answered, or has had the time to.
func (v *validator) seek(author remora.Authority, absent []remora.Hash) {
	if len(v.asking) == 0 {
		v.asking = v.sources.Order(author)
	}
	if len(v.asking) == 0 { // alone
		v.wake(fetchPatience, v.execute)
		return
	}
	from := v.asking[0]
	v.asking = v.asking[1:]
	v.attempt++
	attempt := v.attempt
	answered := func(found int) {
		if v.attempt != attempt {
			return
		}
		v.attempt++
		v.sources.Report(from, found > 0)
		if found > 0 {
			v.asking = nil // the best one first again
		}
		v.execute()
	}
	v.fetchBatches(from, absent, answered)
	v.wake(fetchPatience, func() { answered(0) })
}

func author(sub *remora.SubDAG, digest remora.Hash) remora.Authority {
	for _, h := range sub.Headers {
		for _, ref := range h.Payload {
			if ref.Digest == digest {
				return h.Author
			}
		}
	}
	return 0
}

// executed tells everyone of a block that is durable.
func (v *validator) executed(block *remora.Block, batches []remora.Batch) {
	w := v.world
	w.trace.add(w.now, executes, v.self, v.self, block.Header.Hash())
	w.check.executed(v, block, batches)
	v.informWorker(block)
}

func isAbsent(err error) bool {
	return errors.Is(err, remora.ErrNotFound) || errors.Is(err, remora.ErrCorrupt)
}
