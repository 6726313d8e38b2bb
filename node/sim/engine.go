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

func (v *validator) enqueueSubDAGs(subs []remora.SubDAG) {
	for i := range subs {
		v.queue = append(v.queue, work{sub: &subs[i]})
		v.calendar.Order(&subs[i])
	}
	if len(subs) > 0 {
		v.tellWorker(worker.EpochOrdered{Epoch: v.calendar.Epoch()})
	}
	if v.up {
		v.startNextWork()
	}
}

// startNextWork sets the engine to the next piece of work.
func (v *validator) startNextWork() {
	if v.working || len(v.queue) == 0 {
		return
	}
	v.working = true
	u := v.world.engines.Float64()
	took := u * u * u * float64(maxExecution) * v.world.network.slow[v.self]
	v.wakeAfter(time.Duration(took), v.executeNext)
}

// executeNext makes the oldest committed sub-DAG the next block, once its batches are here.
func (v *validator) executeNext() {
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
		v.haltProcess(err)
		return
	}
	v.working, v.asking, v.queue = false, nil, v.queue[1:]
	v.noteExecuted(block, batches)
	v.startNextWork()
}

// gather returns the batches of a sub-DAG. Missing ones are asked for, and the engine tries again.
func (v *validator) gather(sub *remora.SubDAG) ([]remora.Batch, bool) {
	refs, err := v.exec.Pending(sub)
	if err != nil {
		v.haltProcess(err)
		return nil, false
	}
	batches := make([]remora.Batch, len(refs))
	var absent []remora.Hash
	for i, ref := range refs {
		if batches[i], err = v.batch(ref.Digest); isAbsent(err) {
			absent = append(absent, ref.Digest)
		} else if err != nil {
			v.haltProcess(err)
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
		v.wakeAfter(fetchPatience, v.executeNext)
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
		v.sources.CountAnswer(from, found > 0)
		if found > 0 {
			v.asking = nil // the best one first again
		}
		v.executeNext()
	}
	v.fetchBatches(from, absent, answered)
	v.wakeAfter(fetchPatience, func() { answered(0) })
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

// noteExecuted tells everyone of a block that is durable.
func (v *validator) noteExecuted(block *remora.Block, batches []remora.Batch) {
	w := v.world
	w.trace.addEvent(w.now, executes, v.self, v.self, block.Header.Hash())
	w.check.checkExecuted(v, block, batches)
	v.informWorker(block)
}

func isAbsent(err error) bool {
	return errors.Is(err, remora.ErrNotFound) || errors.Is(err, remora.ErrCorrupt)
}
