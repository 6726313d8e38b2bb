package blocksync

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/remora-network/remora"
	"github.com/remora-network/remora/node/exec"
	"github.com/remora-network/remora/node/peers"
	"github.com/remora-network/remora/node/store"
	"github.com/remora-network/remora/node/trust"
	"github.com/remora-network/remora/state"
)

// QuestionBlocks is how many blocks a question of one peer alone asks for.
const QuestionBlocks = 64

// Config is what a Syncer works with.
type Config struct {
	Self      remora.Authority
	Committee *trust.Committee
	Executor  *exec.Executor
	Store     *store.Store
	// Ask returns a checked answer.
	Ask func(ctx context.Context, peer remora.Authority, request peers.RangeRequest) (*peers.Span, error)
	// Gather returns the batches of a block that came without them, durable.
	Gather func(ctx context.Context, dag []*remora.Header, digests []remora.Hash) ([]remora.Batch, error)
	// Done is told of blocks that were executed and are durable, with their certificates.
	Done func(ctx context.Context, blocks []*remora.Block) error
	Log  *slog.Logger
}

// Syncer executes certified blocks of peers. It belongs to the goroutine that owns the executor.
type Syncer struct {
	Config
	puller *puller
}

// New returns a syncer.
func New(c Config) *Syncer { return &Syncer{Config: c, puller: newPuller(&c)} }

// CatchUp executes the blocks that peers have, several of them at a time, until authorities of a validity stake have no
// more, or none answers. Only failures of this node are errors.
func (s *Syncer) CatchUp(ctx context.Context) error {
	for {
		liar, err := s.pullAll(ctx)
		if !errors.Is(err, peers.ErrLie) {
			return err
		}
		s.Log.WarnContext(ctx, "refused a block from a peer", slog.Int("authority", int(liar)), slog.Any("reason", err))
		s.puller.punish(liar, time.Now())
	}
}

// pullAll executes what the puller brings. With peers.ErrLie it also returns whose answer does not hold; all others may be
// wrong after that.
func (s *Syncer) pullAll(ctx context.Context) (remora.Authority, error) {
	pulling, cancel := context.WithCancel(ctx)
	var running sync.WaitGroup
	defer running.Wait()
	defer cancel()
	spans := make(chan *peers.Span)
	running.Go(func() { s.puller.pullBlocks(pulling, s.Executor.View().Tip.Height+1, spans) })
	for got := range spans {
		if err := s.executeSpan(ctx, got); err != nil {
			return got.Peer, err
		}
	}
	return 0, ctx.Err()
}

// Follow executes the blocks of one answer of one peer and returns their number, and the newest block that the peer says it
// has. With patience the peer may wait so long for its next certified block before it answers that it has none.
func (s *Syncer) Follow(ctx context.Context, peer remora.Authority, patience time.Duration) (int, remora.Height, error) {
	request := peers.RangeRequest{From: s.Executor.View().Tip.Height + 1, Count: QuestionBlocks, Wait: uint16(patience.Milliseconds())}
	got, err := s.Ask(ctx, peer, request)
	if err == nil && len(got.Blocks) > 0 {
		err = s.executeSpan(ctx, got)
	}
	switch {
	case ctx.Err() != nil:
		return 0, 0, ctx.Err()
	case got == nil || errors.Is(err, peers.ErrLie):
		s.Log.DebugContext(ctx, "no blocks from a peer", slog.Int("authority", int(peer)), slog.Any("reason", err))
		return 0, 0, nil
	case err != nil:
		return 0, 0, err
	}
	return len(got.Blocks), got.Newest, nil
}

// executeSpan executes the blocks of an answer, with few syncs.
func (s *Syncer) executeSpan(ctx context.Context, got *peers.Span) error {
	if err := s.checkJoin(got.Blocks[0].Block); err != nil {
		return err
	}
	for blocks := got.Blocks; len(blocks) > 0; {
		n := 0
		for n < len(blocks) && len(blocks[n].Batches) == len(blocks[n].Block.Batches) {
			n++
		}
		if n == 0 {
			var err error
			if blocks[0].Batches, err = s.Gather(ctx, blocks[0].Block.DAG, blocks[0].Block.Batches); err != nil {
				return err
			}
			n = 1
		}
		if err := s.executeBlocks(ctx, blocks[:n]); err != nil {
			return err
		}
		blocks = blocks[n:]
	}
	return nil
}

// checkJoin checks that a certified block continues the own chain. A quorum vouches for its parent: another one here means
// that this node executed something else.
func (s *Syncer) checkJoin(block *remora.Block) error {
	h, tip := &block.Header, s.Executor.View().Tip
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

func (s *Syncer) executeBlocks(ctx context.Context, blocks []exec.Certified) error {
	var batches []remora.Batch
	for _, b := range blocks {
		batches = append(batches, b.Batches...)
	}
	if err := s.Store.AppendBatches(batches); err != nil {
		return err
	}
	executed, err := s.Executor.Follow(blocks)
	if errors.Is(err, state.ErrInput) {
		// A quorum executed these very batches: a state that refuses them is not the quorum's.
		h := blocks[s.Executor.View().Tip.Height+1-blocks[0].Block.Header.Height].Block.Header
		return fmt.Errorf("%w: %w", &Minority{Height: h.Height, Hash: h.Hash()}, err)
	}
	if err != nil {
		return err
	}
	return s.Done(ctx, executed)
}
