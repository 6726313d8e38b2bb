package sim

import (
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/peers"
	"github.com/remora-network/remora/node/validator"
)

// maxExecution is the longest execution of a block, four times the mean. While the engine lags, a crash finds blocks
// that are ordered and not executed.
const maxExecution = 20 * time.Millisecond

// startNextWork sets the engine to the next piece of work.
func (v *host) startNextWork() {
	for !v.working && v.up {
		w, found := v.backlog.First()
		switch {
		case !found:
			return
		case w.Sub != nil:
			v.working = true
			u := v.world.engines.Float64()
			took := u * u * u * float64(maxExecution) * v.world.network.slow[v.self]
			v.wakeAfter(time.Duration(took), func() { v.executeSubDAG(w.Sub) })
		case w.CatchUp:
			v.working = true
			v.backlog.DropFirst()
			v.startPull()
		default:
			v.backlog.DropFirst()
			v.hearShares(w)
		}
	}
}

func (v *host) hearShares(w validator.Work) {
	for _, s := range w.Shares {
		if !v.passOn(v.announcer.HearShare(w.From, s)) {
			return
		}
	}
}

// executeSubDAG makes the oldest committed sub-DAG the next block, once its batches are here.
func (v *host) executeSubDAG(sub *remora.SubDAG) {
	digests, err := v.exec.Pending(sub)
	if err != nil {
		v.haltProcess(err)
		return
	}
	v.gatherBatches(sub.Headers, digests, func(batches []remora.Batch) {
		block, err := v.exec.Execute(*sub, batches, nil)
		if err != nil {
			v.haltProcess(err)
			return
		}
		v.backlog.DropFirst()
		v.working = false
		v.noteExecuted(block, batches)
		if v.passOn(v.announcer.BlockExecuted(block, v.instant())) {
			v.startNextWork()
		}
	})
}

// gatherBatches loads batches, which headers of dag list, and asks peers for those that are not stored; then takes all
// of them.
func (v *host) gatherBatches(dag []*remora.Header, digests []remora.Hash, then func([]remora.Batch)) {
	gathering := peers.NewGathering(v.sources, v.store, dag, digests)
	var attempt func()
	attempt = func() {
		batches, complete, err := gathering.LoadBatches()
		switch {
		case err != nil:
			v.haltProcess(err)
		case complete:
			then(batches)
		default:
			v.askGathering(gathering, attempt)
		}
	}
	attempt()
}

// askGathering asks one question and stores what it brings.
func (v *host) askGathering(g *peers.Gathering, then func()) {
	q := g.NextQuestion()
	v.wakeAfter(q.Pause, func() {
		if len(q.Digests) == 0 {
			then()
			return
		}
		v.askBatches(q.Peer, q.Digests, q.Timeout, func(found []remora.Batch) {
			if err := g.Answered(found); err != nil {
				v.haltProcess(err)
				return
			}
			then()
		})
	})
}

// noteExecuted shows a block that is durable to the checker.
func (v *host) noteExecuted(block *remora.Block, batches []remora.Batch) {
	w := v.world
	w.trace.addEvent(w.now, executes, v.self, v.self, block.Header.Hash())
	w.check.checkExecuted(v, block, batches)
}

// passOn hands the announcer's notices to the cores, and reports whether the process lives on.
func (v *host) passOn(failed error) bool {
	if failed != nil {
		v.haltProcess(failed)
		return false
	}
	n := v.announcer.TakeNotices()
	for _, m := range n.Worker {
		v.own.Forget(m)
		v.tellWorker(m)
	}
	for _, m := range n.Mempool {
		v.stepMempool(m)
	}
	return v.up
}

// reissueShares offers shares again, at the announcer's pace, and asks for certificates that formed elsewhere.
func (v *host) reissueShares() {
	v.wakeAfter(validator.ReissueEvery, v.reissueShares)
	question, err := v.announcer.Reissue(v.instant())
	if !v.passOn(err) || question == nil {
		return
	}
	v.askItems(question.Peer, peers.ProtocolBlockCertificates, question.Range, peers.FirstTry, func(items [][]byte, err error) {
		if err == nil {
			v.passOn(v.announcer.AdoptCertificates(peers.OpenBlockCertificates(items)))
		}
	})
}
