package sim

import (
	"fmt"
	"time"

	"github.com/remora-network/remora"
)

// maxBlockRange is how many blocks one answer holds.
const maxBlockRange = 64

// catchUp is a block sync under way. Peers are asked in turn, each as long as it has more.
type catchUp struct {
	idle int // peers in a row that had nothing new
	turn int // number of the question, so that a late answer or alarm is told apart
}

// askPatience is how long a question of block sync waits for its answer.
const askPatience = 300 * time.Millisecond

func (v *validator) startSync() {
	v.sync = new(catchUp)
	v.nextPeer()
}

func (v *validator) nextPeer() {
	n := remora.Authority(v.world.committee.Size())
	if v.peer = (v.peer + 1) % n; v.peer == v.self {
		v.peer = (v.peer + 1) % n
	}
	v.askBlocks()
}

func (v *validator) askBlocks() {
	v.sync.turn++
	turn, next := v.sync.turn, v.store.Height()+1
	askPeer(v, v.peer, func(peer *validator) ([]*remora.CertifiedBlock, error) {
		return peer.certified(next)
	}, func(found []*remora.CertifiedBlock) {
		if v.sync != nil && v.sync.turn == turn {
			v.takeBlocks(found)
		}
	})
	v.wakeAfter(time.Duration(float64(askPatience)*v.world.network.slow[v.self]), func() {
		if v.sync != nil && v.sync.turn == turn {
			v.takeBlocks(nil)
		}
	})
}

// certified returns blocks from a height on that a quorum has executed.
func (v *validator) certified(next remora.Height) ([]*remora.CertifiedBlock, error) {
	var found []*remora.CertifiedBlock
	for h := next; h <= v.store.Height() && len(found) < maxBlockRange; h++ {
		cb, err := v.store.CertifiedBlock(h)
		if isAbsent(err) {
			break
		}
		if err != nil {
			return nil, err
		}
		if !v.world.check.hasQuorum(cb.Block.Header.Hash()) {
			break
		}
		found = append(found, cb)
	}
	return found, nil
}

// takeBlocks executes what a peer had and asks on. An answer that is not full says that its peer is at the end: what
// comes after is the DAG's to bring. A peer that keeps blocks back brings little; the next time another one is asked.
func (v *validator) takeBlocks(found []*remora.CertifiedBlock) {
	taken := 0
	for _, cb := range found {
		batches, err := v.checkBlock(cb)
		if err != nil {
			break // the next peer may be honest
		}
		if err := v.apply(cb, batches); err != nil {
			v.haltProcess(err)
			return
		}
		taken++
	}
	peers := v.world.committee.Size() - 1
	switch {
	case taken == maxBlockRange:
		v.askBlocks()
		return
	case taken == 0 && v.sync.idle < peers:
		v.sync.idle++
		v.nextPeer()
		return
	}
	v.sync = nil
	if err := v.rebuildCores(v.core.Doubt()); err != nil {
		v.haltProcess(err)
		return
	}
	v.announceWaiting()
	v.startNextWork()
}

// checkBlock checks everything about a served block but its execution, and returns its batches.
func (v *validator) checkBlock(cb *remora.CertifiedBlock) ([]remora.Batch, error) {
	h, tip := &cb.Block.Header, v.exec.View().Tip
	if h.Height != tip.Height+1 || h.Parent != tip.Hash {
		return nil, fmt.Errorf("%w: block %d does not continue block %d", remora.ErrInvalid, h.Height, tip.Height)
	}
	if !v.world.check.hasQuorum(h.Hash()) {
		return nil, fmt.Errorf("%w: no quorum executed block %d", remora.ErrInvalid, h.Height)
	}
	sub := cb.Block.SubDAG(tip.SubDAG)
	if sub.Digest(chainID) != h.SubDAG {
		return nil, fmt.Errorf("%w: block %d lists another sub-DAG", remora.ErrInvalid, h.Height)
	}
	refs, err := v.exec.Pending(&sub)
	if err != nil {
		return nil, err
	}
	if len(refs) != len(cb.Batches) {
		return nil, fmt.Errorf("%w: block %d comes with %d batches, needs %d", remora.ErrInvalid, h.Height, len(cb.Batches), len(refs))
	}
	batches := make([]remora.Batch, len(refs))
	for i, raw := range cb.Batches {
		if batches[i], err = remora.ParseBatch(raw); err != nil {
			return nil, err
		}
		if batches[i].Digest != refs[i].Digest {
			return nil, fmt.Errorf("%w: block %d: batch %d is another one", remora.ErrInvalid, h.Height, i)
		}
	}
	return batches, nil
}

// apply executes a checked block.
func (v *validator) apply(cb *remora.CertifiedBlock, batches []remora.Batch) error {
	if err := v.store.AppendBatches(batches); err != nil {
		return err
	}
	block, err := v.exec.Execute(cb.Block.SubDAG(v.exec.View().Tip.SubDAG), batches, &cb.Block.Header)
	if err != nil {
		return err
	}
	v.world.check.synced++
	v.noteExecuted(block, batches)
	return nil
}
