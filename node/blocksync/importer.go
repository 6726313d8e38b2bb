package blocksync

import (
	"errors"
	"fmt"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/node/peers"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/state"
)

// Importer executes the certified blocks of spans. It belongs to the goroutine that owns the executor.
type Importer struct {
	Executor *exec.Executor
	Store    *store.Store
}

// Import executes the first blocks of a span, up to the first one without its batches, and removes them from the span. It
// returns the executed blocks, which are durable, and the block that lacks its batches, if any: the caller stores and sets
// them and calls Import again. It returns peers.ErrLie if the span does not continue this node's chain, and ErrMinority if
// the span proves that this node's state is not the quorum's.
func (i *Importer) Import(got *peers.Span) (executed []*remora.Block, lacking *exec.Certified, err error) {
	if len(got.Blocks) == 0 {
		return nil, nil, nil
	}
	if err := i.checkJoin(got.Blocks[0].Block); err != nil {
		return nil, nil, err
	}
	n := 0
	for n < len(got.Blocks) && len(got.Blocks[n].Batches) == len(got.Blocks[n].Block.Batches) {
		n++
	}
	if n > 0 {
		if executed, err = i.executeBlocks(got.Blocks[:n]); err != nil {
			return nil, nil, err
		}
		got.Blocks = got.Blocks[n:]
	}
	if len(got.Blocks) > 0 {
		lacking = &got.Blocks[0]
	}
	return executed, lacking, nil
}

// checkJoin checks that a certified block continues this node's chain. The quorum certified its parent too: if the tip
// here is another block, this node is in the minority.
func (i *Importer) checkJoin(block *remora.Block) error {
	h, tip := &block.Header, i.Executor.View().Tip
	if h.Height != tip.Height+1 {
		return fmt.Errorf("%w: block %d where %d is next", peers.ErrLie, h.Height, tip.Height+1)
	}
	if h.Parent != tip.Hash {
		return &Minority{Height: tip.Height, Hash: h.Parent}
	}
	if err := peers.CheckSubDAG(block, tip.SubDAG); err != nil {
		return fmt.Errorf("%w: block %d: %w", peers.ErrLie, h.Height, err)
	}
	return nil
}

func (i *Importer) executeBlocks(blocks []exec.Certified) ([]*remora.Block, error) {
	var batches []remora.Batch
	for _, b := range blocks {
		batches = append(batches, b.Batches...)
	}
	if err := i.Store.AppendBatches(batches); err != nil {
		return nil, err
	}
	executed, err := i.Executor.Follow(blocks)
	if errors.Is(err, state.ErrInput) {
		// A quorum executed these batches, so a state that refuses them is not the quorum's.
		h := blocks[i.Executor.View().Tip.Height+1-blocks[0].Block.Header.Height].Block.Header
		return nil, fmt.Errorf("%w: %w", &Minority{Height: h.Height, Hash: h.Hash()}, err)
	}
	return executed, err
}
