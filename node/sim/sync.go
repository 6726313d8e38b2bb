package sim

import (
	"errors"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/mempool"
	"github.com/remora-network/remora/node/blocksync"
	"github.com/remora-network/remora/node/peers"
)

// pullTick is how often a pull looks at the time.
const pullTick = 50 * time.Millisecond

// blockSync is a pull of certified blocks.
type blockSync struct {
	pull      *blocksync.Pull
	number    int  // of the newest pull, so that answers to others are told apart
	importing bool // the engine executes an answer
}

// startPull begins to sync certified blocks. A pull that was under way before has ended: its answers are ignored.
func (v *host) startPull() {
	v.sync.number++
	v.sync.pull.Start(v.exec.View().Tip.Height+1, v.instant())
	v.tickPull(v.sync.number)
}

// tickPull keeps one pull going until it ends.
func (v *host) tickPull(number int) {
	if v.sync.number != number {
		return
	}
	v.wakeAfter(pullTick, func() { v.tickPull(number) })
	v.continuePull(number)
}

func (v *host) continuePull(number int) {
	for _, q := range v.sync.pull.Questions(v.instant()) {
		v.askBlocks(q, number)
	}
	if v.sync.importing {
		return
	}
	if got := v.sync.pull.Next(); got != nil {
		v.sync.importing = true
		v.sync.pull.Taken(v.instant())
		v.importSpan(got, number)
		return
	}
	if v.sync.pull.HasEnded(v.instant()) {
		v.endPull()
	}
}

func (v *host) askBlocks(q blocksync.Question, number int) {
	request := peers.RangeRequest{From: q.From, Count: uint16(q.Count)}
	v.askPeer(q.Peer, peers.ProtocolBlocks, request, peers.BlocksTimeout, func(answer []byte, err error) {
		if v.sync.number != number {
			return
		}
		var span *peers.Span
		if err == nil {
			span, err = peers.OpenSpan(v.world.signed.committee, q.Peer, request, answer)
		}
		v.sync.pull.Answered(q, span, err, v.instant())
		v.continuePull(number)
	})
}

// importSpan executes an answer. After a lie about its place in the chain all other answers may be wrong.
func (v *host) importSpan(got *peers.Span, number int) {
	blocks := got.Blocks
	executed, lacking, err := (&blocksync.Importer{Executor: v.exec, Store: v.store}).Import(got)
	if errors.Is(err, peers.ErrLie) {
		v.sync.importing = false
		v.sync.pull.Accuse(got.Peer, v.instant())
		v.startPull()
		return
	}
	if err != nil {
		v.haltProcess(err)
		return
	}
	for i, block := range executed {
		v.world.check.Synced++
		v.noteExecuted(block, blocks[i].Batches)
	}
	if len(executed) > 0 && !v.passOn(v.announcer.BlocksSynced(executed, v.instant())) {
		return
	}
	if lacking == nil {
		v.sync.importing = false
		v.continuePull(number)
		return
	}
	v.gatherBatches(lacking.Block.DAG, lacking.Block.Batches, func(batches []remora.Batch) {
		lacking.Batches = batches
		v.importSpan(got, number)
	})
}

// endPull builds the cores again: the DAG brings later blocks.
func (v *host) endPull() {
	v.sync.number++
	v.working = false
	if err := v.rebuildCores(); err != nil {
		v.haltProcess(err)
		return
	}
	for _, ref := range v.own.Waiting() {
		v.stepMempool(mempool.BatchReady{Ref: ref})
	}
	v.announcer.CoresRebuilt()
	if v.passOn(nil) {
		v.startNextWork()
	}
}
