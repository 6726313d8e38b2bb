package sim

import (
	"errors"
	"time"

	"github.com/remora-network/remora"
)

// maxExecution is the longest time that a block takes; the engine's lag is where a crash finds blocks that are ordered
// and not executed.
const maxExecution = 20 * time.Millisecond

// fetchPatience is how long the engine waits for batches before it asks the next authority.
const fetchPatience = 100 * time.Millisecond

// work is a sub-DAG to execute, or without one the order to sync blocks.
type work struct{ sub *remora.SubDAG }

func (v *validator) enqueue(subs []remora.SubDAG) {
	for i := range subs {
		v.queue = append(v.queue, work{sub: &subs[i]})
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
	v.wake(time.Duration(v.world.engines.Int64N(int64(maxExecution))), v.execute)
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
	v.working, v.attempt, v.queue = false, 0, v.queue[1:]
	v.executed(block, batches)
	v.work()
}

// gather returns the batches of a sub-DAG. Missing ones are asked for, of their author first, and the engine tries again.
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
	n := v.world.committee.Size()
	if from := remora.Authority((int(author(sub, absent[0])) + v.attempt) % n); from != v.self {
		v.fetchBatches(from, absent)
	}
	v.attempt++
	v.wake(fetchPatience, v.execute)
	return nil, false
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

// apply executes a synced block.
func (v *validator) apply(cb *remora.CertifiedBlock) error {
	batches := make([]remora.Batch, len(cb.Batches))
	for i, raw := range cb.Batches {
		var err error
		if batches[i], err = remora.ParseBatch(raw); err != nil {
			return err
		}
	}
	if err := v.store.AppendBatches(batches); err != nil {
		return err
	}
	block, err := v.exec.Execute(cb.Block.SubDAG(v.exec.View().Tip.SubDAG), batches, &cb.Block.Header)
	if err != nil {
		return err
	}
	v.world.check.synced++
	v.executed(block, batches)
	return nil
}

// executed tells everyone of a block that is durable.
func (v *validator) executed(block *remora.Block, batches []remora.Batch) {
	v.world.note("%d executes %d %s", v.self, block.Header.Height, block.Header.Hash())
	v.world.check.executed(v.self, block, batches, v.world.now)
	v.informWorker(block)
}

func isAbsent(err error) bool {
	return errors.Is(err, remora.ErrNotFound) || errors.Is(err, remora.ErrCorrupt)
}
