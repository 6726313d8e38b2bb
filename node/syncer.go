package node

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/state"
)

// syncBlocks is how many blocks a question of one peer alone asks for.
const syncBlocks = 64

// syncer executes certified blocks of peers. A block counts by its certificate alone: no peer's claim is believed. It
// belongs to the goroutine that owns the executor.
type syncer struct {
	exec   *exec.Executor
	store  *store.Store
	puller *puller
	// gather returns the batches of a block that came without them, durable.
	gather func(ctx context.Context, dag []*remora.Header, digests []remora.Hash) ([]remora.Batch, error)
	// done is told of blocks that were executed and are durable, with their certificates.
	done func(ctx context.Context, blocks []*remora.Block) error
	log  *slog.Logger
}

// catchUp executes the blocks that peers have, several of them at a time, until authorities of a validity stake have no
// more, or none answers. Only failures of this node are errors.
func (s *syncer) catchUp(ctx context.Context) error {
	for {
		liar, err := s.pull(ctx)
		if !errors.Is(err, errLie) {
			return err
		}
		s.log.WarnContext(ctx, "refused a block from a peer", slog.Int("authority", int(liar)), slog.Any("reason", err))
		s.puller.sources[liar].rest = time.Now().Add(liarRest)
	}
}

// pull executes what the puller brings. With errLie it also returns whose answer does not hold; all others may be
// wrong after that.
func (s *syncer) pull(ctx context.Context) (remora.Authority, error) {
	pulling, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	spans := make(chan *span)
	running.Go(func() { s.puller.run(pulling, s.exec.View().Tip.Height+1, spans) })
	for got := range spans {
		if err := s.take(ctx, got); err != nil {
			return got.peer, err
		}
	}
	return 0, ctx.Err()
}

// from executes the blocks of one answer of one peer and returns their number, and the newest block that the peer says it
// has. With patience the peer may wait so long for its next certified block before it answers that it has none.
func (s *syncer) from(ctx context.Context, peer remora.Authority, patience time.Duration) (int, remora.Height, error) {
	request := rangeRequest{From: s.exec.View().Tip.Height + 1, Count: syncBlocks, Wait: uint16(patience.Milliseconds())}
	got, err := s.puller.ask(ctx, peer, request)
	if err == nil && len(got.blocks) > 0 {
		err = s.take(ctx, got)
	}
	switch {
	case ctx.Err() != nil:
		return 0, 0, ctx.Err()
	case got == nil || errors.Is(err, errLie):
		s.log.DebugContext(ctx, "no blocks from a peer", slog.Int("authority", int(peer)), slog.Any("reason", err))
		return 0, 0, nil
	case err != nil:
		return 0, 0, err
	}
	return len(got.blocks), got.newest, nil
}

// take executes the blocks of an answer, with few syncs.
func (s *syncer) take(ctx context.Context, got *span) error {
	if err := s.joins(got.blocks[0].Block); err != nil {
		return err
	}
	for blocks := got.blocks; len(blocks) > 0; {
		n := 0
		for n < len(blocks) && len(blocks[n].Batches) == len(blocks[n].Block.Batches) {
			n++
		}
		if n == 0 {
			var err error
			if blocks[0].Batches, err = s.gather(ctx, blocks[0].Block.DAG, blocks[0].Block.Batches); err != nil {
				return err
			}
			n = 1
		}
		if err := s.follow(ctx, blocks[:n]); err != nil {
			return err
		}
		blocks = blocks[n:]
	}
	return nil
}

// joins checks that a certified block continues the own chain. A quorum vouches for its parent: another one here means
// that this node executed something else.
func (s *syncer) joins(block *remora.Block) error {
	h, tip := &block.Header, s.exec.View().Tip
	if h.Height != tip.Height+1 {
		return fmt.Errorf("%w: block %d where %d is next", errLie, h.Height, tip.Height+1)
	}
	if h.Parent != tip.Hash {
		return &minority{height: tip.Height, hash: h.Parent}
	}
	if err := ordered(h, block.DAG, tip.SubDAG); err != nil {
		return fmt.Errorf("%w: block %d: %w", errLie, h.Height, err)
	}
	return nil
}

func (s *syncer) follow(ctx context.Context, blocks []exec.Certified) error {
	var batches []remora.Batch
	for _, b := range blocks {
		batches = append(batches, b.Batches...)
	}
	if err := s.store.AppendBatches(batches); err != nil {
		return err
	}
	executed, err := s.exec.Follow(blocks)
	if errors.Is(err, state.ErrInput) {
		// A quorum executed these very batches: a state that refuses them is not the quorum's.
		h := blocks[s.exec.View().Tip.Height+1-blocks[0].Block.Header.Height].Block.Header
		return fmt.Errorf("%w: %w", &minority{height: h.Height, hash: h.Hash()}, err)
	}
	if err != nil {
		return err
	}
	return s.done(ctx, executed)
}
